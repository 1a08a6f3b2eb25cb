/**
 * The look of the page: two palettes, no picture, no font from elsewhere. Every text colour has at least 4.5:1 on its
 * ground (WCAG 2.2, 1.4.3); what a colour tells is also told by a word or a form.
 */
export const STYLE = `
:root { color-scheme: light dark; --ground: #f5f6f8; --card: #fff; --text: #1b2027; --quiet: #57606c; --line: #d5dae1;
  --pass: #14692f; --warn: #855400; --fail: #b3161f; --unknown: #4f3aa8; --skip: #57606c; --link: #0b57b0;
  --house: #e6eaf0; --house-text: #333b46; --isolated: #1f7a3c; --isolated-text: #fff; --ticking: #ffe0a3; --ticking-text: #5c3a00;
  --poll: #5b34c4; --poll-text: #fff; --bar: #dfe4ea; --free: #3b82c4; --gap-fine: #3a9a5b; --gap-some: #c9a227; --gap-bad: #d9722b; --gap-worst: #c62f37; }
@media (prefers-color-scheme: dark) { :root { --ground: #12161b; --card: #1b2128; --text: #e4e8ed; --quiet: #a2acb8; --line: #343d48;
  --pass: #6fd08b; --warn: #f0b952; --fail: #ff8a8a; --unknown: #bcaaff; --skip: #a2acb8; --link: #86b9ff;
  --house: #2c343e; --house-text: #d5dbe3; --isolated: #2b8d4b; --isolated-text: #fff; --ticking: #6b4a0c; --ticking-text: #ffe3b0;
  --poll: #7b57e0; --poll-text: #fff; --bar: #323b46; --free: #5b9fe0; } }
@media (prefers-color-scheme: dark) { .cpu.isolated { --isolated: #1f7a3c; } .cpu.poll { --poll: #6a45d2; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 78rem; padding: 1.25rem; background: var(--ground); color: var(--text);
  font: .9375rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1, h2, h3, h4 { line-height: 1.2; margin: 0; }
h2 { font-size: 1.15rem; margin: 2rem 0 .75rem; }
h3 { font-size: .95rem; margin-bottom: .6rem; }
h4 { font-size: .95rem; margin-bottom: .5rem; }
small, .quiet { color: var(--quiet); font-weight: normal; font-size: .85rem; }
code, .cpu, .number { font-family: ui-monospace, monospace; font-size: .85rem; }
a { color: var(--link); }
ul { padding-left: 1.2rem; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.verdict { background: var(--card); border: 1px solid var(--line); border-left: .6rem solid var(--tone); border-radius: .5rem; padding: 1.1rem 1.3rem; }
.verdict h1 { font-size: 2rem; color: var(--tone); letter-spacing: .01em; }
.verdict .host { font-size: 1.05rem; font-weight: 600; margin: .15rem 0 0; }
.verdict p { margin: .1rem 0; }
.verdict ol { margin: .8rem 0 0; padding-left: 1.3rem; }
.counts { display: flex; flex-wrap: wrap; gap: .4rem; list-style: none; margin: .7rem 0 0; padding: 0; }
.counts li, .badge { border: 1px solid currentColor; border-radius: 1rem; padding: 0 .6rem; font-size: .85rem; font-weight: 600; }
.pass { color: var(--pass); } .warn { color: var(--warn); } .fail { color: var(--fail); } .unknown { color: var(--unknown); } .skip { color: var(--skip); }
.legend { display: flex; flex-wrap: wrap; gap: .4rem 1.2rem; list-style: none; padding: 0; margin: 0 0 .8rem; font-size: .85rem; color: var(--quiet); }
.sockets { display: flex; flex-wrap: wrap; gap: 1rem; align-items: stretch; }
.socket { flex: 1 1 24rem; min-width: 0; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .9rem; }
.nodes { display: flex; flex-wrap: wrap; gap: .8rem; }
.node { flex: 1 1 20rem; min-width: 0; border: 1px solid var(--line); border-radius: .4rem; padding: .7rem; }
.domains { display: flex; flex-wrap: wrap; gap: .5rem; }
.domain { border: 1px dashed var(--quiet); border-radius: .3rem; padding: .2rem .3rem; }
.cache { display: block; font-size: .75rem; color: var(--quiet); }
.core { display: inline-flex; margin: .1rem .25rem .1rem 0; vertical-align: top; border: 1px solid var(--line); border-radius: .25rem; overflow: hidden; }
.core.efficient { border-style: dotted; border-color: var(--quiet); }
.cpu { display: inline-block; min-width: 1.9rem; padding: .05rem .25rem; text-align: center; font-size: .75rem; }
.cpu.house { background: var(--house); color: var(--house-text); }
.cpu.isolated { background: var(--isolated); color: var(--isolated-text); font-weight: 700; }
.cpu.ticking { background: var(--ticking); color: var(--ticking-text); font-weight: 700; text-decoration: underline dotted; }
.cpu.poll { background: var(--poll); color: var(--poll-text); font-weight: 700; text-decoration: underline; }
.beside { display: grid; gap: .3rem; margin-top: .7rem; }
.pool { display: grid; grid-template-columns: 5.5rem 1fr 11rem; gap: .6rem; align-items: center; font-size: .85rem; }
.pool .amount { text-align: right; color: var(--quiet); }
.track { fill: var(--bar); } .free { fill: var(--free); }
.nics { list-style: none; margin: .7rem 0 0; padding: 0; display: grid; gap: .35rem; }
.nics li { border-left: .3rem solid var(--quiet); padding-left: .6rem; font-size: .85rem; line-height: 1.4; }
.nics li.userspace { border-left-color: var(--isolated); } .nics li.nodriver { border-left-style: dotted; }
.nics .uses { color: var(--quiet); }
.driver { border: 1px solid var(--line); border-radius: .25rem; padding: 0 .35rem; font-size: .8rem; }
.findings { display: grid; gap: .4rem; }
.finding { background: var(--card); border: 1px solid var(--line); border-left: .35rem solid var(--tone); border-radius: .35rem; }
.finding > summary { display: grid; grid-template-columns: auto 5.5rem 12rem 1fr; gap: .2rem .8rem; align-items: baseline; padding: .5rem .8rem; cursor: pointer; }
.finding > summary::before { content: "▸"; color: var(--quiet); } .finding[open] > summary::before { content: "▾"; }
.finding > summary::-webkit-details-marker { display: none; }
.badge, .counts li { white-space: nowrap; }
.finding .badge { text-align: center; justify-self: start; }
.finding .detail { padding: 0 .9rem .8rem 2.2rem; }
.finding .detail p { margin: .3rem 0; }
.remedy { border-left: .2rem solid var(--link); padding: .2rem .7rem; background: var(--ground); }
.group > summary { cursor: pointer; padding: .4rem 0; color: var(--quiet); font-weight: 600; }
table { border-collapse: collapse; width: 100%; font-size: .85rem; }
caption { text-align: left; color: var(--quiet); padding: .2rem 0; }
th, td { text-align: left; vertical-align: top; padding: .25rem .7rem .25rem 0; border-top: 1px solid var(--line); font-weight: normal; }
thead th { color: var(--quiet); border-top: 0; }
.number { text-align: right; white-space: nowrap; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .9rem 1rem; }
.settings th { width: 8.5rem; color: var(--quiet); }
.figures { display: flex; flex-wrap: wrap; gap: .6rem; margin: .6rem 0; }
.figures div { border: 1px solid var(--line); border-radius: .4rem; padding: .3rem .8rem; }
.figures dt { color: var(--quiet); font-size: .8rem; } .figures dd { margin: 0; font-weight: 600; font-size: 1.1rem; }
.gaps th[scope=row] { width: 11rem; white-space: nowrap; font-family: ui-monospace, monospace; font-size: .8rem; }
.gap-fine { fill: var(--gap-fine, #3a9a5b); } .gap-some { fill: var(--gap-some, #c9a227); } .gap-bad { fill: var(--gap-bad, #d9722b); } .gap-worst { fill: var(--gap-worst, #c62f37); }
footer { margin-top: 2rem; color: var(--quiet); font-size: .85rem; }
@media (max-width: 40rem) { body { padding: .7rem; } .verdict h1 { font-size: 1.5rem; }
  .socket, .node { flex-basis: 100%; padding: .6rem; } .finding > summary { grid-template-columns: auto auto 1fr; } .finding > summary .sentence { grid-column: 1 / -1; }
  .finding .detail { padding-left: .9rem; } .pool { grid-template-columns: 5rem 1fr; } .pool .amount { grid-column: 1 / -1; text-align: left; }
  .evidence thead { display: none; } .evidence tr { display: block; border-top: 1px solid var(--line); } .evidence td { display: block; border: 0; }
  .evidence td[data-name]::before { content: attr(data-name) ": "; color: var(--quiet); }
  .gaps th[scope=row] { width: 8.5rem; white-space: normal; } .settings th { width: 5.5rem; } }
@media print { :root { color-scheme: light; font-size: 70%; } body { max-width: none; padding: 0; background: #fff; } h2, h3 { break-after: avoid; }
  section > h2 + * { break-before: avoid; }
  details::details-content { content-visibility: visible; block-size: auto; display: block; }
  .finding, .node, .verdict, tr { break-inside: avoid; } .finding > summary::before { content: ""; }
  * { print-color-adjust: exact; } }
`;

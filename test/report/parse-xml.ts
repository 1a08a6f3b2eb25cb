export interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: Element[];
  text: string;
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };
const TOKEN = /<\?xml[^?]*\?>|<(\/?)([a-z-]+)((?: [a-z]+="[^"<]*")*)(\/?)>|[^<]+/gy;

/** As much of XML as a well-formed document of ours may have; anything else throws. */
export function parseXml(text: string): Element {
  // XML 1.0, section 2.2.
  if (/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd]/.test(text)) throw new Error('a character that XML does not have');
  const top: Element = { name: '', attributes: {}, children: [], text: '' };
  const open = [top];
  TOKEN.lastIndex = 0;
  let at = 0;
  for (let match = TOKEN.exec(text); match !== null; match = TOKEN.exec(text)) {
    at = TOKEN.lastIndex;
    const [all, closing, name, attributes = '', empty] = match;
    const parent = open.at(-1) ?? top;
    if (name === undefined) {
      if (!all.startsWith('<?')) parent.text += decode(all);
    } else if (closing === '/') {
      if (open.pop()?.name !== name) throw new Error(`</${name}> closes another`);
    } else {
      const pairs = [...attributes.matchAll(/([a-z]+)="([^"]*)"/g)].map(([, key = '', value = '']) => [
        key,
        decode(value),
      ]);
      const element: Element = { name, attributes: Object.fromEntries(pairs), children: [], text: '' };
      if (Object.keys(element.attributes).length !== pairs.length) throw new Error('an attribute twice');
      parent.children.push(element);
      if (empty !== '/') open.push(element);
    }
  }
  const [root, ...others] = top.children;
  if (
    at !== text.length ||
    open.length > 1 ||
    root === undefined ||
    others.length > 0 ||
    top.text.trim() !== ''
  ) {
    throw new Error(`not well-formed near ${text.slice(at, at + 60)}`);
  }
  return root;
}

function decode(text: string): string {
  return text.replace(/&([^;]*);?/g, (all, name: string) => {
    const character = ENTITIES[name];
    if (character === undefined) throw new Error(`${all} is no entity`);
    return character;
  });
}

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { describe, expect, type TestContext, test } from 'vitest';
import { EXIT, HostError } from '../../src/host/errors.ts';
import { openHost, openReadHost } from '../../src/host/node-host.ts';
import { childProgram, fifo, hostFolder, plant, scratch, snapshot } from './scratch.ts';

/** The error as the caller can see it, or what came back in its place. */
function outcome(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    return `${error.code} ${error.path} ${error.errno}`;
  }
}

describe('opening a host', () => {
  test('takes the running machine, however it is spelled', () => {
    expect([openHost('/').live, openHost('/./').live, openHost('/').root, openHost('/proc/..').root]).toEqual(
      [true, true, '/', '/'],
    );
  });

  test('takes a directory with proc/ or sys/, also through a link', () => {
    const root = scratch();
    fs.mkdirSync(join(root, 'sys'));
    fs.symlinkSync(root, `${root}-link`);
    expect([openHost(`${root}/`).root, openHost(root).live]).toEqual([root, false]);
    expect(openReadHost(`${root}-link`).list('/')).toEqual(['sys']);
    fs.unlinkSync(`${root}-link`);
  });

  test('refuses with exit code 64 what cannot be one', () => {
    const folder = scratch();
    plant(folder, { file: 'text', loop: { link: 'loop' } });
    fifo(join(folder, 'fifo'));
    const refusal = (open: () => unknown) => {
      try {
        open();
        return 'opened';
      } catch (error) {
        const { code, subject, message, exitCode } = error as Record<string, unknown>;
        return { code, subject, message, exitCode };
      }
    };
    const missing = { code: 'ROOT_MISSING', exitCode: EXIT.usage };
    expect(refusal(() => openReadHost(join(folder, 'none')))).toEqual({
      ...missing,
      subject: join(folder, 'none'),
      message: 'no such directory',
    });
    expect(refusal(() => openHost(join(folder, 'file')))).toEqual({
      ...missing,
      subject: join(folder, 'file'),
      message: 'is not a directory',
    });
    expect(refusal(() => openReadHost(join(folder, 'fifo')))).toEqual({
      ...missing,
      subject: join(folder, 'fifo'),
      message: 'is not a directory',
    });
    expect(refusal(() => openReadHost(join(folder, 'loop')))).toEqual({
      ...missing,
      subject: join(folder, 'loop'),
      message: 'cannot be opened: ELOOP',
    });
    expect(refusal(() => openHost(folder))).toEqual({
      code: 'ROOT_NOT_A_HOST',
      exitCode: EXIT.usage,
      subject: folder,
      message: 'holds neither proc/ nor sys/',
    });
    expect(refusal(() => openReadHost(join(folder, 'file')))).toEqual({
      code: 'ROOT_NOT_A_HOST',
      exitCode: EXIT.usage,
      subject: join(folder, 'file'),
      message: 'not a host archive: "text" (the first line is not "bypass-setup archive 1")',
    });
  });
});

describe('reading inside a root', () => {
  test('keeps every link inside: absolute, climbing, through directories, and chains of them', () => {
    const outside = scratch();
    plant(outside, { secret: 'outside' });
    const root = hostFolder({
      secret: 'inside',
      absolute: { link: '/secret' },
      climbing: { link: '../../../../../../../secret' },
      outside: { link: join(outside, 'secret') },
      a: { b: { text: 'deep', up: { link: '../../secret' } }, chain: { link: 'b/up' } },
      folder: { link: '/a/b' },
      twice: { link: '/folder/../chain' },
      self: { link: '.' },
    });
    const host = openHost(root);
    const texts = [
      '/absolute',
      '/climbing',
      '/outside',
      '/a/chain',
      '/folder/text',
      '/twice',
      '/self/self/secret',
    ];
    expect(texts.map((path) => host.readText(path))).toEqual([
      'inside',
      'inside',
      undefined,
      'inside',
      'deep',
      'inside',
      'inside',
    ]);
    expect(texts.map((path) => host.realPath(path))).toEqual([
      '/secret',
      '/secret',
      undefined,
      '/secret',
      '/a/b/text',
      '/secret',
      '/secret',
    ]);
    expect(host.readText('/../../../secret')).toBe('inside');
    expect(host.readText('../secret')).toBe('inside');
    expect(host.list('/folder')).toEqual(['text', 'up']);
    expect(host.list('/folder/..')).toEqual(['b', 'chain']);
    expect(host.readLink('/folder')).toBe('/a/b');
    expect(host.readLink('/folder/up')).toBe('../../secret');
    expect(host.readLink('/secret')).toBe(undefined);
    expect(host.stat('/folder')?.type).toBe('link');
    expect(host.stat('/folder/text')?.type).toBe('file');
  });

  test('follows `..` behind a link as the kernel does, so that a recorded host answers as the live one did', () => {
    const root = hostFolder({
      d: { real: { dev: {} }, name: 'of d' },
      l: { link: 'd/real' },
      name: 'of root',
    });
    const path = '/l/../name';
    expect(openHost('/').readText(root + path)).toBe('of d');
    expect(openHost(root).readText(path)).toBe('of d');
  });

  test('gives ELOOP for links in a circle, and for more links than the kernel follows', () => {
    const chain = Object.fromEntries(Array.from({ length: 42 }, (_, i) => [`c${i}`, { link: `c${i + 1}` }]));
    const root = hostFolder({
      self: { link: 'self' },
      a: { link: 'b' },
      b: { link: 'a' },
      deep: { link: 'deep/x' },
      ...chain,
      c42: 'end',
    });
    const live = openHost('/');
    const host = openHost(root);
    for (const path of ['/self', '/a', '/deep', '/a/x', '/c1', '/c2', '/c3']) {
      const expected = path === '/c2' || path === '/c3' ? 'end' : `HOST_READ ${path} ELOOP`;
      expect(outcome(() => host.readText(path))).toBe(expected);
      // The machine itself, for comparison.
      expect(outcome(() => live.readText(root + path))).toBe(expected.replace(path, root + path));
    }
    expect(outcome(() => host.list('/a'))).toBe('HOST_READ /a ELOOP');
    expect(host.readLink('/a')).toBe('b');
  });

  test('takes a missing name, and a file where a directory should be, as absence', () => {
    const root = hostFolder({ file: 'text', dangling: { link: 'none' } });
    for (const [host, prefix] of [
      [openHost(root), ''],
      [openHost('/'), root],
    ] as const) {
      for (const path of ['/none', '/none/x', '/file/x', '/file/x/y', '/dangling'].map((p) => prefix + p)) {
        expect([host.readText(path), host.readBytes(path, 9), host.list(path), host.realPath(path)]).toEqual([
          undefined,
          undefined,
          undefined,
          undefined,
        ]);
      }
      expect(host.stat(`${prefix}/file/x`)).toBe(undefined);
      expect(host.stat(`${prefix}/dangling`)?.type).toBe('link');
      expect(host.list(`${prefix}/file`)).toBe(undefined);
    }
  });

  test('of a directory as a file is an error with path and errno', () => {
    const root = hostFolder({ dir: {}, link: { link: 'dir' } });
    expect(outcome(() => openHost(root).readText('/dir'))).toBe('HOST_READ /dir EISDIR');
    expect(outcome(() => openHost(root).readText('/link'))).toBe('HOST_READ /link EISDIR');
    expect(outcome(() => openHost('/').readText(root))).toBe(`HOST_READ ${root} EISDIR`);
  });

  test('of a FIFO does not wait for a writer', () => {
    const root = hostFolder();
    fifo(join(root, 'fifo'));
    fs.symlinkSync('fifo', join(root, 'link'));
    expect([openHost(root).readText('/fifo'), openHost(root).readText('/link')]).toEqual(['', '']);
    expect(openHost(root).stat('/fifo')?.type).toBe('other');
    // With a writer that says nothing, read(2) would wait too.
    const writer = fs.openSync(join(root, 'fifo'), fs.constants.O_RDWR);
    expect(outcome(() => openHost(root).readText('/fifo'))).toBe('HOST_READ /fifo EAGAIN');
    fs.closeSync(writer);
  });

  test('gives bytes as they are, up to the limit that was asked for', () => {
    const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 7) & 0xff);
    const host = openHost(hostFolder({ config: bytes, sys: { config: bytes }, empty: '' }));
    for (const path of ['/config', '/sys/config']) {
      expect(host.readBytes(path, Number.MAX_SAFE_INTEGER)).toEqual(bytes);
      expect(host.readBytes(path, 64)).toEqual(bytes.subarray(0, 64));
      expect(host.readBytes(path, 65536)).toEqual(bytes.subarray(0, 65536));
      expect(host.readBytes(path, 0)).toEqual(new Uint8Array());
      expect(host.readText(path)).toBe(Buffer.from(bytes).toString('utf8'));
    }
    expect(host.readBytes('/empty', 64)).toEqual(new Uint8Array());
    // What was given stays as it is when the next file is read.
    const first = host.readBytes('/config', 4);
    host.readText('/empty');
    expect(first).toEqual(bytes.subarray(0, 4));
  });

  test('of a file larger than any attribute is an error, and not its beginning', () => {
    const root = hostFolder({ large: '', limit: '' });
    // Without content on the disk.
    fs.truncateSync(join(root, 'large'), (32 << 20) + 1);
    fs.truncateSync(join(root, 'limit'), 32 << 20);
    const host = openHost(root);
    expect(outcome(() => host.readText('/large'))).toBe('HOST_READ /large EFBIG');
    expect(outcome(() => host.readBytes('/large', Number.MAX_SAFE_INTEGER))).toBe('HOST_READ /large EFBIG');
    expect(host.readBytes('/large', 16)).toEqual(new Uint8Array(16));
    expect(host.readText('/limit')?.length).toBe(32 << 20);
  });

  test('of a path longer than the kernel takes is an error', () => {
    const path = '/x'.repeat(20_000);
    const end = (root: string) => String(outcome(() => openHost(root).readText(path))).slice(-17);
    expect([end(hostFolder()), end('/')]).toEqual(['/x/x ENAMETOOLONG', '/x/x ENAMETOOLONG']);
  });

  test('describes what a path is', () => {
    const root = hostFolder({ file: 'x', link: { link: 'file' } });
    fs.chmodSync(join(root, 'file'), 0o4750);
    const host = openHost(root);
    const own = { uid: process.getuid?.(), gid: process.getgid?.() };
    expect(host.stat('/file')).toEqual({ type: 'file', mode: 0o4750, ...own });
    expect(host.stat('/link')).toEqual({ type: 'link', mode: 0o777, ...own });
    expect(host.stat('/')).toEqual({ type: 'directory', mode: 0o755, ...own });
    // Documentation/admin-guide/devices.txt: /dev/null is 1:3.
    expect(openHost('/').stat('/dev/null')).toMatchObject({
      type: 'character',
      device: { major: 1, minor: 3 },
    });
  });

  test('of the running machine reads tables whole that come in many pieces', () => {
    const live = openHost('/');
    for (const path of ['/proc/devices', '/proc/filesystems', '/proc/self/maps', '/proc/kallsyms']) {
      const lines = live.readText(path)?.split('\n').length;
      // /proc/self/maps grows while it is read.
      if (path !== '/proc/self/maps') expect(lines).toBe(fs.readFileSync(path, 'utf8').split('\n').length);
    }
    expect(live.list('/proc')).toContain(`${process.pid}`);
  });

  test('of the running machine reads a table below /sys whole, whose read(2) ends before the page is full', async (ctx) => {
    const procs = ['/sys/fs/cgroup/cgroup.procs', '/sys/fs/cgroup/unified/cgroup.procs'].find((path) =>
      fs.existsSync(path),
    );
    if (procs === undefined || !fs.readFileSync(procs, 'utf8').split('\n').includes(`${process.pid}`)) {
      return ctx.skip('this process is not in a cgroup whose members can be read here');
    }
    const shell = spawn('sh', [
      '-c',
      'for i in $(seq 700); do sleep 20 & done; jobs -p; echo ready; read x; kill $(jobs -p)',
    ]);
    try {
      let pids = '';
      for await (const chunk of shell.stdout) {
        pids += String(chunk);
        if (pids.endsWith('ready\n')) break;
      }
      const seen = new Set(openHost('/').readText(procs)?.split('\n'));
      expect(
        pids
          .split('\n')
          .slice(0, -2)
          .filter((pid) => !seen.has(pid)),
      ).toEqual([]);
    } finally {
      shell.stdin.end('\n');
      await once(shell, 'exit');
    }
  });

  test('as an unprivileged user tells EACCES apart from absence', (ctx) => {
    if (process.getuid?.() !== 0) return ctx.skip('needs root to become another user');
    const root = hostFolder({ shut: { inner: 'x' }, secret: 'x', list: {} });
    fs.chmodSync(join(root, 'shut'), 0o700);
    fs.chmodSync(join(root, 'secret'), 0o600);
    fs.chmodSync(join(root, 'list'), 0o300);
    const program = childProgram(`
      const seen = (call) => {
        try { return call() ?? 'absent'; } catch (error) { return [error.code, error.path, error.errno, error.exitCode]; }
      };
      process.setgid(65534);
      process.setuid(65534);
      const host = openHost(${JSON.stringify(root)});
      console.log(JSON.stringify({
        secret: seen(() => host.readText('/secret')),
        below: seen(() => host.readText('/shut/inner')),
        status: seen(() => host.stat('/secret').type),
        list: seen(() => host.list('/list')),
        none: seen(() => host.readText('/none')),
        write: seen(() => host.writeAttribute('/secret', '1')),
        replace: seen(() => host.replaceFile('/secret', '1')),
        remove: seen(() => host.remove('/shut/inner')),
        live: seen(() => openHost('/').readText(${JSON.stringify(join(root, 'secret'))})),
        open: seen(() => openReadHost(${JSON.stringify(join(root, 'shut/inner'))})),
      }));
    `);
    const child = spawnSync(process.execPath, [program], { encoding: 'utf8' });
    expect(child.stderr).toBe('');
    expect(JSON.parse(child.stdout)).toEqual({
      secret: ['HOST_READ', '/secret', 'EACCES', EXIT.noPrivilege],
      below: ['HOST_READ', '/shut/inner', 'EACCES', EXIT.noPrivilege],
      status: 'file',
      list: ['HOST_LIST', '/list', 'EACCES', EXIT.noPrivilege],
      none: 'absent',
      write: ['HOST_WRITE', '/secret', 'EACCES', EXIT.noPrivilege],
      replace: ['HOST_WRITE', '/secret', 'EACCES', EXIT.noPrivilege],
      remove: ['HOST_REMOVE', '/shut/inner', 'EACCES', EXIT.noPrivilege],
      live: ['HOST_READ', join(root, 'secret'), 'EACCES', EXIT.noPrivilege],
      open: ['ROOT_MISSING', null, null, EXIT.usage],
    });
    expect(fs.readFileSync(join(root, 'secret'), 'utf8')).toBe('x');
  });
});

describe('writing an attribute', () => {
  test('overwrites from the start, without truncation', () => {
    const root = hostFolder({ attribute: 'abc\n', link: { link: '/attribute' } });
    openHost(root).writeAttribute('/attribute', 'X');
    expect(fs.readFileSync(join(root, 'attribute'), 'utf8')).toBe('Xbc\n');
    openHost(root).writeAttribute('/link', '');
    expect(fs.readFileSync(join(root, 'attribute'), 'utf8')).toBe('\nbc\n');
  });

  test('sends the text itself, and a line end for the empty text', () => {
    const root = hostFolder();
    fifo(join(root, 'fifo'));
    const reader = fs.openSync(join(root, 'fifo'), fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    const received = (value: string) => {
      openHost(root).writeAttribute('/fifo', value);
      const buffer = Buffer.alloc(100);
      return buffer.toString('utf8', 0, fs.readSync(reader, buffer));
    };
    expect([received('0000:3b:00.0'), received('1\n'), received('')]).toEqual(['0000:3b:00.0', '1\n', '\n']);
    fs.closeSync(reader);
  });

  test('is one write(2) without truncation or creation', (ctx) => {
    const root = hostFolder({ attribute: 'abc', empty: 'abc' });
    const program = childProgram(`
      const host = openHost(${JSON.stringify(root)});
      host.writeAttribute('/attribute', '0000:3b:00.0');
      host.writeAttribute('/empty', '');
    `);
    const calls = trace(ctx, program, 'openat,write,pwrite64,writev,ftruncate,truncate,close', root);
    expect(calls).toEqual([
      'openat(attribute, O_WRONLY|O_CLOEXEC)',
      'write(attribute, "0000:3b:00.0", 12)',
      'close(attribute)',
      'openat(empty, O_WRONLY|O_CLOEXEC)',
      'write(empty, "\\n", 1)',
      'close(empty)',
    ]);
  });

  test('does not create what is missing, nor follow a link out of the root', () => {
    const outside = scratch();
    plant(outside, { victim: 'untouched' });
    const root = hostFolder({
      out: { link: join(outside, 'victim') },
      folder: { link: outside },
      file: 'x',
      dir: {},
    });
    const host = openHost(root);
    const before = snapshot(root);
    expect(
      ['/none', '/none/x', '/file/x', '/out', '/folder/victim', '/dir'].map((path) =>
        outcome(() => host.writeAttribute(path, 'gone')),
      ),
    ).toEqual([
      'HOST_WRITE /none ENOENT',
      'HOST_WRITE /none/x ENOENT',
      'HOST_WRITE /file/x ENOENT',
      'HOST_WRITE /out ENOENT',
      'HOST_WRITE /folder/victim ENOENT',
      'HOST_WRITE /dir EISDIR',
    ]);
    expect(outcome(() => openHost('/').writeAttribute(`${root}/none`, '1'))).toBe(
      `HOST_WRITE ${root}/none ENOENT`,
    );
    expect(snapshot(root)).toEqual(before);
    expect(snapshot(outside)).toEqual({ victim: '644 "untouched"' });
  });

  test('keeps the errno of the kernel', (ctx) => {
    if (process.getuid?.() !== 0) return ctx.skip('needs root to write below /proc');
    // /proc/self, so that nothing but this process could change: 5000 is beyond the range of oom_score_adj.
    expect(outcome(() => openHost('/').writeAttribute('/proc/self/oom_score_adj', '5000'))).toBe(
      'HOST_WRITE /proc/self/oom_score_adj EINVAL',
    );
  });
});

describe('replacing a file', () => {
  test('puts the text in its place, makes folders, and can be read back at once', () => {
    const root = hostFolder({ etc: {} });
    const host = openHost(root);
    expect(host.readText('/etc/a/b/new')).toBe(undefined);
    host.replaceFile('/etc/a/b/new', 'one\n');
    expect(host.readText('/etc/a/b/new')).toBe('one\n');
    host.replaceFile('/etc/a/b/new', '');
    expect(host.readText('/etc/a/b/new')).toBe('');
    expect(snapshot(join(root, 'etc'))).toEqual({ a: '755 /', 'a/b': '755 /', 'a/b/new': '644 ""' });
    host.remove('/etc/a/b/new');
    expect(host.readText('/etc/a/b/new')).toBe(undefined);
  });

  test('keeps the mode and the owner of the old file, whatever the umask', (ctx) => {
    const root = hostFolder({ secret: 'old', script: 'old', other: 'old' });
    fs.chmodSync(join(root, 'secret'), 0o600);
    fs.chmodSync(join(root, 'script'), 0o4775);
    const program = childProgram(`
      process.umask(0o077);
      const host = openHost(${JSON.stringify(root)});
      host.replaceFile('/secret', 'new');
      host.replaceFile('/script', 'new');
      host.replaceFile('/other', 'new', 0o664);
      host.replaceFile('/fresh', 'new');
      host.replaceFile('/mode', 'new', 0o755);
    `);
    execFileSync(process.execPath, [program]);
    expect(snapshot(root)).toEqual({
      proc: '755 /',
      sys: '755 /',
      secret: '600 "new"',
      script: '4775 "new"',
      other: '664 "new"',
      fresh: '644 "new"',
      mode: '755 "new"',
    });
    if (process.getuid?.() !== 0) return ctx.skip('needs root to give files away');
    fs.chownSync(join(root, 'secret'), 65534, 65533);
    openHost(root).replaceFile('/secret', 'newer');
    expect(openHost(root).stat('/secret')).toEqual({ type: 'file', mode: 0o600, uid: 65534, gid: 65533 });
  });

  test('leaves everything as it was when it fails', () => {
    const root = hostFolder({ dir: { kept: 'x' }, file: 'old', dangling: { link: 'none' } });
    const host = openHost(root);
    const before = snapshot(root);
    expect(
      ['/dir', '/file/x', '/file/x/y', '/dangling/x'].map((path) =>
        outcome(() => host.replaceFile(path, 'new')),
      ),
    ).toEqual([
      'HOST_WRITE /dir EISDIR',
      'HOST_WRITE /file/x ENOTDIR',
      'HOST_WRITE /file/x/y ENOTDIR',
      'HOST_WRITE /dangling/x EEXIST',
    ]);
    expect(outcome(() => openHost('/').replaceFile(`${root}/dir`, 'new'))).toBe(
      `HOST_WRITE ${root}/dir EISDIR`,
    );
    expect(snapshot(root)).toEqual(before);
  });

  test('stays inside the root', () => {
    const outside = scratch();
    plant(outside, { victim: 'untouched' });
    const root = hostFolder({ etc: { link: outside }, inside: { link: '/srv/etc' }, srv: { etc: {} } });
    const host = openHost(root);
    expect(outcome(() => host.replaceFile('/etc/victim', 'gone'))).toBe('HOST_WRITE /etc/victim EEXIST');
    expect(outcome(() => host.replaceFile('/etc/new/file', 'gone'))).toBe('HOST_WRITE /etc/new/file EEXIST');
    host.replaceFile('/inside/../../../srv/up', 'up');
    host.replaceFile('/inside/new', 'in');
    expect(snapshot(outside)).toEqual({ victim: '644 "untouched"' });
    expect(snapshot(join(root, 'srv'))).toEqual({ etc: '755 /', 'etc/new': '644 "in"', up: '644 "up"' });
  });

  test('is not stopped by what a crash left', () => {
    const root = hostFolder({ file: 'old', [`.file.${process.pid}.tmp`]: 'half' });
    openHost(root).replaceFile('/file', 'new');
    expect(snapshot(root)).toEqual({ file: '644 "new"', proc: '755 /', sys: '755 /' });
  });

  test('writes and syncs a new file, renames it, and syncs the folder', (ctx) => {
    const root = hostFolder({ file: 'old' });
    const program = childProgram(`openHost(${JSON.stringify(root)}).replaceFile('/file', 'new');`);
    const calls = trace(ctx, program, 'openat,write,fsync,fdatasync,rename,renameat2,ftruncate,close', root);
    expect(calls.map((call) => call.replace(/\.file\.\d+\.tmp/g, 'TEMPORARY'))).toEqual([
      'openat(TEMPORARY, O_WRONLY|O_CREAT|O_EXCL|O_TRUNC|O_CLOEXEC)',
      'write(TEMPORARY, "new", 3)',
      'fsync(TEMPORARY)',
      'close(TEMPORARY)',
      'rename(TEMPORARY, file)',
      'openat(, O_RDONLY|O_CLOEXEC)',
      'fsync()',
      'close()',
    ]);
  });
});

describe('removing', () => {
  test('takes files, links and empty folders away, and absence as done', () => {
    const outside = scratch();
    plant(outside, { victim: 'untouched' });
    const root = hostFolder({
      file: 'x',
      link: { link: outside },
      empty: {},
      full: { a: 'x' },
      folder: { link: outside },
    });
    const host = openHost(root);
    for (const path of ['/file/x', '/file', '/link', '/empty', '/none', '/none/x', '/folder/victim'])
      host.remove(path);
    expect(outcome(() => host.remove('/full'))).toBe('HOST_REMOVE /full ENOTEMPTY');
    expect(snapshot(root)).toEqual({
      folder: `777 -> ${outside}`,
      full: '755 /',
      'full/a': '644 "x"',
      proc: '755 /',
      sys: '755 /',
    });
    expect(snapshot(outside)).toEqual({ victim: '644 "untouched"' });
  });
});

describe('running a program', () => {
  const live = openHost('/');

  test('passes arguments as they are, without a shell', async () => {
    const args = ['$HOME', '*', 'a b', ';exit 9', '"', ''];
    const script =
      'process.stdout.write(JSON.stringify(process.argv.slice(1))); process.stderr.write("e\\n"); process.exitCode = 3';
    expect(await live.run([process.execPath, '-e', script, '--', ...args], { timeout: 10_000 })).toEqual({
      exitCode: 3,
      stdout: JSON.stringify(args),
      stderr: 'e\n',
      timedOut: false,
    });
  });

  test('gives it the input, or none at all', async () => {
    expect(await live.run(['cat'], { timeout: 5000, input: 'text\n' })).toEqual({
      exitCode: 0,
      stdout: 'text\n',
      stderr: '',
      timedOut: false,
    });
    expect((await live.run(['cat'], { timeout: 5000 })).stdout).toBe('');
    // A program that does not read its input is no failure.
    expect((await live.run(['true'], { timeout: 5000, input: 'x'.repeat(1_000_000) })).exitCode).toBe(0);
  });

  test('ends it at the deadline, with all that it started', async () => {
    const start = performance.now();
    const result = await live.run(['sh', '-c', 'echo begun; sleep 30; true'], { timeout: 200 });
    expect(result).toEqual({ exitCode: undefined, stdout: 'begun\n', stderr: '', timedOut: true });
    expect(performance.now() - start).toBeLessThan(5000);
    // The program itself ends, but something that it left behind holds its output open.
    const left = await live.run(['sh', '-c', 'sleep 30 & echo $!'], { timeout: 200 });
    expect(left).toEqual({
      exitCode: 0,
      stdout: expect.stringMatching(/^\d+\n$/),
      stderr: '',
      timedOut: true,
    });
    // Gone, or dead and not yet collected.
    expect(live.readText(`/proc/${left.stdout.trim()}/stat`) ?? ' Z ').toMatch(/ Z /);
  });

  test('ends it by force when it does not listen', async () => {
    const result = await live.run(['sh', '-c', 'trap "" TERM; while :; do sleep 0.1; done'], {
      timeout: 100,
    });
    expect(result).toEqual({ exitCode: undefined, stdout: '', stderr: '', timedOut: true });
  });

  test('leaves behind what not even SIGKILL ends', async () => {
    // Out of reach of the signals and with the output still open, as a process that is stuck in the kernel.
    const start = performance.now();
    const result = await live.run(['sh', '-c', 'setsid sleep 9 & exec sleep 9'], { timeout: 100 });
    expect(result).toEqual({ exitCode: undefined, stdout: '', stderr: '', timedOut: true });
    expect(performance.now() - start).toBeLessThan(8000);
  });

  test('that is missing or no program is a one-line error', async () => {
    const refusal = async (file: string) => {
      const error = await live.run([file, 'a b'], { timeout: 1000 }).catch((thrown: unknown) => thrown);
      const { name, code, subject, message } = error as Record<string, unknown>;
      return { name, code, subject, message };
    };
    const notStarted = { name: 'ToolError', code: 'PROGRAM_NOT_STARTED' };
    const missing = 'no-such-program-anywhere';
    expect([await refusal(missing), await refusal('/etc/passwd')]).toEqual([
      { ...notStarted, subject: missing, message: 'cannot be started: no such file or directory (ENOENT)' },
      { ...notStarted, subject: '/etc/passwd', message: 'cannot be started: permission denied (EACCES)' },
    ]);
  });

  test('on a host that is not live is refused, and nothing is started', async () => {
    const root = hostFolder();
    await expect(
      openHost(root).run(['touch', join(root, 'started')], { timeout: 1000 }),
    ).rejects.toMatchObject({
      name: 'ToolError',
      code: 'HOST_NOT_LIVE',
      subject: 'touch',
    });
    expect(snapshot(root)).toEqual({ proc: '755 /', sys: '755 /' });
  });
});

/** The system calls of a child on files below a folder, with the paths shortened and file numbers named. */
function trace(ctx: TestContext, program: string, calls: string, folder: string): string[] {
  const log = join(scratch(), 'trace');
  const child = spawnSync('strace', ['-f', '-e', `trace=${calls}`, '-o', log, process.execPath, program], {
    encoding: 'utf8',
  });
  if (child.error !== undefined) return ctx.skip('strace is not installed');
  if (child.stderr.includes('ptrace')) return ctx.skip('strace may not trace here');
  expect(child.stderr).toBe('');
  const open = new Map<string, string>();
  const seen: string[] = [];
  for (const line of fs.readFileSync(log, 'utf8').split('\n')) {
    const match = /^\d+ +(\w+)\((.*)\) += (-?\d+)/.exec(line);
    const [, name = '', text = '', result = ''] = match ?? [];
    const short = text.replaceAll(`${folder}/`, '').replaceAll(folder, '').replaceAll('AT_FDCWD, ', '');
    if (name === 'openat') {
      if (short === text.replaceAll('AT_FDCWD, ', '')) continue;
      const [path = '', flags = ''] = short.split(', ');
      open.set(result, JSON.parse(path) as string);
      seen.push(`openat(${open.get(result)}, ${flags})`);
    } else if (name.startsWith('rename')) {
      seen.push(`rename(${short.replaceAll('"', '')})`);
    } else {
      const [fd = '', ...rest] = text.split(', ');
      const path = open.get(fd);
      if (path === undefined) continue;
      seen.push(`${name}(${[path, ...rest].join(', ')})`);
      if (name === 'close') open.delete(fd);
    }
  }
  return seen;
}

describe('appending to a file', () => {
  test('[H11] makes it and its folders, and adds to what is there', () => {
    const root = hostFolder({ var: { lib: {} }, run: { link: 'var/lib' } });
    const host = openHost(root);
    host.appendFile('/run/tool/runs/1/journal', 'one\n');
    host.appendFile('/run/tool/runs/1/journal', 'two\n');
    expect(host.readText('/var/lib/tool/runs/1/journal')).toBe('one\ntwo\n');
    expect(host.stat('/run/tool/runs/1/journal')).toMatchObject({ type: 'file', mode: 0o600 });
  });

  test('does not write through a link, and names what the kernel refuses', () => {
    const host = openHost(hostFolder({ etc: { link: { link: 'target' }, target: 'kept', folder: {} } }));
    expect(outcome(() => host.appendFile('/etc/link', 'x'))).toBe('HOST_WRITE /etc/link ELOOP');
    expect(outcome(() => host.appendFile('/etc/folder', 'x'))).toBe('HOST_WRITE /etc/folder EISDIR');
    expect(host.readText('/etc/target')).toBe('kept');
  });

  test('[H11] returns when the disk has the file, and each folder that got an entry', (ctx) => {
    if (spawnSync('strace', ['-V']).error) ctx.skip('strace is not installed');
    const root = hostFolder({ var: {} });
    const program = childProgram(
      `const host = openHost(${JSON.stringify(root)});
       host.appendFile('/var/runs/journal', 'one');
       host.appendFile('/var/runs/journal', 'two');`,
    );
    const trace = spawnSync('strace', ['-f', '-y', '-e', 'trace=fsync,write', process.execPath, program], {
      encoding: 'utf8',
    }).stderr;
    const calls = trace.split('\n').filter((line) => line.includes(root));
    expect(calls.map((line) => line.replace(/^.*?(\w+)\(\d+<(.*?)>.*$/, '$1 $2').replace(root, ''))).toEqual([
      'fsync /var',
      'write /var/runs/journal',
      'fsync /var/runs/journal',
      'fsync /var/runs',
      'write /var/runs/journal',
      'fsync /var/runs/journal',
    ]);
  });
});

describe('locking a file', () => {
  test('[H12] one holder at a time, whose text it has; then it is empty and free', async () => {
    const host = openHost(hostFolder());
    const first = await host.lock('/run/x.lock', 'first\n');
    expect(host.readText('/run/x.lock')).toBe('first\n');
    expect(await host.lock('/run/x.lock', 'second\n')).toBeUndefined();
    expect(host.readText('/run/x.lock')).toBe('first\n');
    first?.release();
    expect(host.readText('/run/x.lock')).toBe('');
    const third = await host.lock('/run/x.lock', '3\n');
    expect(host.readText('/run/x.lock')).toBe('3\n');
    third?.release();
  });

  test('follows no link out of its place, and says when flock(1) is missing', async () => {
    const host = openHost(
      hostFolder({ run: { 'x.lock': { link: '/etc/passwd' } }, etc: { passwd: 'kept' } }),
    );
    await expect(host.lock('/run/x.lock', 'x')).rejects.toMatchObject({ errno: 'ELOOP' });
    expect(host.readText('/etc/passwd')).toBe('kept');
    const path = process.env.PATH;
    try {
      process.env.PATH = '/nowhere';
      await expect(host.lock('/run/y.lock', 'x')).rejects.toMatchObject({ code: 'LOCK_UNAVAILABLE' });
    } finally {
      process.env.PATH = path;
    }
  });
});

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** The command that puts a program into a network namespace of its own, or the reason why there is none. */
export type NamespaceCommand = { argv: string[] } | { forbidden: string };

function text(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** The kernel's switches, in the order in which they explain the most. */
function explain(said: string): string {
  if (text('/proc/sys/kernel/unprivileged_userns_clone') === '0') {
    return 'user namespaces are switched off (kernel.unprivileged_userns_clone = 0)';
  }
  if (text('/proc/sys/user/max_user_namespaces') === '0') {
    return 'user namespaces are switched off (user.max_user_namespaces = 0)';
  }
  if (text('/proc/sys/user/max_net_namespaces') === '0') {
    return 'network namespaces are switched off (user.max_net_namespaces = 0)';
  }
  if (text('/proc/sys/kernel/apparmor_restrict_unprivileged_userns') === '1') {
    return 'AppArmor takes the privileges from user namespaces (kernel.apparmor_restrict_unprivileged_userns = 1)';
  }
  return `namespaces are not permitted here (${said})`;
}

function attempt(argv: readonly string[]): Promise<{ ok: boolean; said: string }> {
  const [command = '', ...rest] = argv;
  return new Promise((resolve) => {
    const child = spawn(command, rest, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    // First, because without descriptors or processes to spare there is nothing else to listen to.
    child.on('error', (error) => resolve({ ok: false, said: error.message }));
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      said += chunk;
    });
    child.on('close', (code) => resolve({ ok: code === 0, said: said.trim().split('\n')[0] ?? '' }));
  });
}

/**
 * Tries, because no list of sysctls answers it. Each attempt nests a second network namespace, as the run itself will:
 * where AppArmor restricts user namespaces the first one succeeds but holds no capability.
 */
export async function namespaceCommand(): Promise<NamespaceCommand> {
  const candidates = [...(process.getuid?.() === 0 ? [['unshare', '-n']] : []), ['unshare', '-Urn']];
  let said = '';
  for (const argv of candidates) {
    const result = await attempt([...argv, 'unshare', '-n', 'true']);
    if (result.ok) return { argv };
    said = result.said;
  }
  return { forbidden: explain(said) };
}

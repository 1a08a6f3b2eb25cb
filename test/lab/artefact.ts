/** The tool as a user would install it: what `npm pack` packs, with the addons of this machine. */
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from './cache.ts';
import type { Machine } from './machine.ts';
import { must } from './programs.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Path of a tar archive; packed anew by every runner, so that it is always what this checkout builds. */
function artefactPath(): string {
  return `${cacheFolder()}/bypass-setup.tar`;
}

export async function artefact(): Promise<void> {
  const folder = `${cacheFolder()}/pack.${process.pid}`;
  mkdirSync(folder, { recursive: true });
  try {
    await must(['npm', 'pack', '--silent', '--pack-destination', folder], { cwd: ROOT });
    const packed = readdirSync(folder).find((name) => name.endsWith('.tgz'));
    await must(['tar', '--extract', '--directory', folder, '--file', `${folder}/${packed}`]);
    mkdirSync(`${folder}/package/build/Release`, { recursive: true });
    for (const name of ['kernel_query.node', 'validator.node']) {
      const addon = `${ROOT}build/Release/${name}`;
      if (existsSync(addon)) cpSync(addon, `${folder}/package/build/Release/${name}`);
    }
    await must(['tar', '--create', '--directory', `${folder}/package`, '--file', `${folder}/tool.tar`, '.']);
    renameSync(`${folder}/tool.tar`, artefactPath());
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Puts the tool into a guest as `bypass-setup`. */
export async function install(machine: Machine): Promise<void> {
  await machine.copyIn(artefactPath(), '/tmp/bypass-setup.tar');
  await machine.must(
    [
      'mkdir -p /opt/bypass-setup',
      'tar -xf /tmp/bypass-setup.tar -C /opt/bypass-setup',
      'rm /tmp/bypass-setup.tar',
      'ln -sf /opt/bypass-setup/bin/bypass-setup /usr/local/bin/bypass-setup',
    ].join(' && '),
  );
}

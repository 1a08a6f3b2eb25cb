import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { OWN } from '../formats/own-files.ts';
import { ToolError } from '../host/errors.ts';
import type { Host, ReadHost } from '../host/host.ts';
import { type Action, defineAction, type PlanContext } from './define.ts';
import { type FileBefore, fileBefore, notPutBack, putBack } from './file.ts';
import { persistAction } from './persist.ts';
import { run } from './run.ts';

/** Milliseconds: some minutes on a slow disk with a slow compressor. */
const BUILD = 20 * 60_000;
const COPY = 5 * 60_000;

type Tool = 'mkinitramfs' | 'dracut';

type Memory = {
  /** What each image holds, by path: the hash of the files that went into it. */
  readonly images: Readonly<Record<string, string>>;
  /** How many were built, so that no two old images get one name. */
  readonly builds: number;
};

type Before = {
  /** The file that remembers the images. */
  readonly images: FileBefore;
  /** The old image, kept outside /boot, which is small. */
  readonly backup: string;
};

type After = {
  readonly tool: Tool;
  readonly release: string;
  /** False where an earlier profile had put the script in, and this one does not want it. */
  readonly packed: boolean;
  readonly text: string;
};

/** The name under which the early script must be found in the image. */
const PACKED: Readonly<Record<Tool, string>> = {
  mkinitramfs: 'scripts/init-top/bypass-setup',
  dracut: 'hooks/pre-udev/00-override',
};

/**
 * Builds the image of the running kernel with the early script in it, beside the old one; looks into it; and only then
 * puts it in its place. Other kernels get theirs from the system's own hooks when they are installed.
 */
export const initramfsAction: Action = defineAction({
  name: 'initramfs',

  plan(context, note) {
    const files = persistAction.plan(context, () => {});
    const wanted = earlyFiles(context, files);
    const { initramfs } = context.facts.ownFiles;
    if (initramfs.absent !== undefined) {
      if (context.profile.persistent && files.length > 0) {
        note(
          `no initramfs is rebuilt (${initramfs.reason}): the unit bypass-setup.service binds the NICs at boot`,
        );
      }
      return [];
    }
    const { tool, image } = initramfs.value;
    const old = fileBefore(context, OWN.images);
    const { images, builds } = parse(old.text);
    const digest = wanted && createHash('sha256').update(wanted).digest('hex').slice(0, 16);
    if (images[image] === digest) return [];
    const backup = `${posix.dirname(OWN.images)}/${posix.basename(image)}.before-${builds + 1}`;
    const before: Before = { images: old, backup };
    const release = context.facts.kernel.release.value ?? '';
    const memory: Memory = { images: without({ ...images, [image]: digest }), builds: builds + 1 };
    const after: After = {
      tool,
      release,
      packed: digest !== undefined,
      text: `${JSON.stringify(memory, null, 2)}\n`,
    };
    return [
      {
        target: image,
        before,
        after,
        scope: 'persistent',
        effect: 'none',
        summary: `rebuild ${image} ${after.packed ? 'with' : 'without'} the early script in it`,
        commands: [build(tool, `${image}.new`, release).join(' '), `mv ${image}.new ${image}`],
      },
    ];
  },

  async apply(change, host) {
    const { backup } = change.before as Before;
    const { tool, release, packed, text } = change.after as After;
    const image = change.target;
    const fresh = newName(image);
    await run(host, ['mkdir', '-p', posix.dirname(backup)]);
    if (host.stat(backup) === undefined) {
      // Under its own name only when it is whole: undo trusts it.
      await run(host, ['cp', '-p', image, `${backup}.part`], { timeout: COPY });
      await run(host, ['sync', `${backup}.part`], { timeout: COPY });
      await run(host, ['mv', `${backup}.part`, backup]);
    }
    await run(host, build(tool, fresh, release), { timeout: BUILD });
    const lister = tool === 'mkinitramfs' ? 'lsinitramfs' : 'lsinitrd';
    const listing = await run(host, [lister, fresh], { timeout: COPY });
    if (listing.stdout.includes(PACKED[tool]) !== packed) {
      const what = packed ? 'does not hold' : 'still holds';
      throw new ToolError('INITRAMFS_WRONG', `the new image ${what} ${PACKED[tool]}`, { subject: image });
    }
    await run(host, ['sync', fresh], { timeout: COPY });
    await run(host, ['mv', fresh, image]);
    host.replaceFile(OWN.images, text);
  },

  verify(change, host) {
    const { text } = change.after as After;
    if (host.stat(newName(change.target)) !== undefined) return `${newName(change.target)} is left over`;
    return host.readText(OWN.images) === text ? undefined : `${change.target} was not rebuilt`;
  },

  async revert(change, host) {
    const { images, backup } = change.before as Before;
    await discard(host, newName(change.target));
    await discard(host, `${backup}.part`);
    if (host.stat(backup) !== undefined) {
      await run(host, ['cp', '-p', backup, newName(change.target)], { timeout: COPY });
      await run(host, ['sync', newName(change.target)], { timeout: COPY });
      await run(host, ['mv', newName(change.target), change.target]);
    }
    await discard(host, backup);
    putBack(host, OWN.images, images);
  },

  holdsBefore(change, host) {
    const { images, backup } = change.before as Before;
    const left = [newName(change.target), `${backup}.part`, backup].filter(
      (path) => host.stat(path) !== undefined,
    );
    if (left.length > 0) return `${left.join(', ')} is left over`;
    return notPutBack(host, OWN.images, images);
  },
});

const newName = (image: string) => `${image}.bypass-setup`;

async function discard(host: Host & ReadHost, path: string): Promise<void> {
  if (host.stat(path) !== undefined) await run(host, ['rm', '-f', path]);
}

function build(tool: Tool, path: string, release: string): string[] {
  return tool === 'mkinitramfs' ? ['mkinitramfs', '-o', path, release] : ['dracut', '--force', path, release];
}

/** The text of all that goes into an image, as it is or as this plan writes it. */
function earlyFiles(
  { facts, profile }: PlanContext,
  steps: ReturnType<typeof persistAction.plan>,
): string | undefined {
  if (!profile.persistent) return undefined;
  const paths =
    facts.ownFiles.initramfs.value?.tool === 'dracut'
      ? [OWN.script, OWN.dracutModule]
      : [OWN.initTop, OWN.initramfsHook];
  const texts = paths.map((path) => {
    const step = steps.find(({ target }) => target === path);
    if (step === undefined) return facts.ownFiles.files[path]?.value?.text ?? null;
    return (step.after as { text: string | null }).text;
  });
  return texts.includes(null) ? undefined : texts.join('');
}

/** A damaged file means that nothing is known of any image. */
function parse(text: string | null): Memory {
  try {
    const { images, builds } = JSON.parse(text ?? '{}') as Partial<Memory>;
    return {
      images: typeof images === 'object' && images !== null ? images : {},
      builds: typeof builds === 'number' ? builds : 0,
    };
  } catch {
    return { images: {}, builds: 0 };
  }
}

function without(images: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(images).flatMap(([path, digest]) => (digest === undefined ? [] : [[path, digest]])),
  );
}

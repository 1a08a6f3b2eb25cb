import { VF_TOKEN } from '../formats/own-files.ts';
import { ToolError } from '../host/errors.ts';
import type { ReadHost } from '../host/host.ts';
import { defineAction } from './define.ts';
import { missingFolders, putBack } from './file.ts';
import { refused } from './run.ts';
import { physicalNicsOf } from './vf.ts';

const PARAMETER = '/sys/module/vfio_pci/parameters/enable_sriov';
const RANDOM = '/proc/sys/kernel/random/uuid';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n$/;
const MODE = 0o600;

type Before = {
  /** The token itself is in no plan: one that is there is kept. */
  readonly there: boolean;
  readonly folders: readonly string[];
  readonly enabled: boolean;
};

/**
 * A physical function on vfio-pci makes virtual ones only with enable_sriov, and whoever opens one of them must know
 * the token of the process that has the physical one (drivers/vfio/pci/vfio_pci_core.c, vfio_pci_validate_vf_token).
 */
export const vfTokenAction = defineAction({
  name: 'vf-token',

  plan(context, note) {
    const nics = physicalNicsOf(context).filter(({ wanted }) => wanted === 'vfio-pci');
    if (nics.length === 0) return [];
    note(
      `the applications on ${nics.map(({ found }) => found.address).join(', ')} need --vfio-vf-token with the text of ${VF_TOKEN}`,
    );
    const { ownFiles, userspaceIo } = context.facts;
    const token = ownFiles.vfToken;
    if (token.absent !== 'missing' && token.value?.mode !== MODE) {
      throw refused('VF_TOKEN_OPEN', VF_TOKEN, 'others than root may know this token', `rm ${VF_TOKEN}`);
    }
    const before: Before = {
      there: token.value !== undefined,
      folders: missingFolders(ownFiles.folders, VF_TOKEN),
      enabled: userspaceIo.enableSriov.value === true,
    };
    if (before.there && before.enabled) return [];
    return [
      {
        target: VF_TOKEN,
        before,
        after: { enabled: true },
        scope: 'persistent',
        effect: 'none',
        summary: 'let vfio-pci make virtual functions, under a token',
        commands: [`install -D -m 600 ${RANDOM} ${VF_TOKEN}`, `echo Y > ${PARAMETER}`],
      },
    ];
  },

  async apply(_change, host) {
    if (host.stat(VF_TOKEN) === undefined) {
      const token = host.readText(RANDOM);
      if (token === undefined) throw new ToolError('NO_RANDOM_UUID', 'is missing', { subject: RANDOM });
      host.replaceFile(VF_TOKEN, `${token.trim()}\n`, MODE);
    }
    if (!isEnabled(host)) host.writeAttribute(PARAMETER, 'Y');
  },

  verify(_change, host) {
    if (!isToken(host)) return `${VF_TOKEN} holds no token that only root can read`;
    return isEnabled(host) ? undefined : `${PARAMETER} is not Y`;
  },

  async revert(change, host) {
    const { there, folders, enabled } = change.before as Before;
    if (isEnabled(host) && !enabled) host.writeAttribute(PARAMETER, 'N');
    if (!there) putBack(host, VF_TOKEN, { text: null, mode: null, folders });
  },

  holdsBefore(change, host) {
    const { there, enabled } = change.before as Before;
    if (isEnabled(host) && !enabled) return `${PARAMETER} is still Y`;
    return !there && host.stat(VF_TOKEN) !== undefined ? `${VF_TOKEN} is still there` : undefined;
  },
});

function isToken(host: ReadHost): boolean {
  return host.stat(VF_TOKEN)?.mode === MODE && UUID.test(host.readText(VF_TOKEN) ?? '');
}

/** Gone with the module, which is as good as off. */
const isEnabled = (host: ReadHost) => host.readText(PARAMETER)?.trim() === 'Y';

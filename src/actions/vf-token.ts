import { OWN } from '../formats/own-files.ts';
import { ToolError } from '../host/errors.ts';
import type { ReadHost } from '../host/host.ts';
import { defineAction } from './define.ts';
import { type FileBefore, fileBefore, notPutBack, putBack } from './file.ts';
import { physicalNicsOf } from './vf.ts';

const PARAMETER = '/sys/module/vfio_pci/parameters/enable_sriov';
const RANDOM = '/proc/sys/kernel/random/uuid';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n$/;
const MODE = 0o600;

type Before = { readonly file: FileBefore; readonly enabled: boolean };

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
      `the applications on ${nics.map(({ found }) => found.address).join(', ')} need --vfio-vf-token with the text of ${OWN.vfToken}`,
    );
    const { enableSriov } = context.facts.userspaceIo;
    const file = fileBefore(context, OWN.vfToken);
    const before: Before = { file, enabled: enableSriov.value === true };
    if (before.enabled && UUID.test(file.text ?? '') && file.mode === MODE) return [];
    return [
      {
        target: OWN.vfToken,
        before,
        after: { enabled: true },
        scope: 'persistent',
        effect: 'none',
        summary: 'let vfio-pci make virtual functions, under a token',
        commands: [`install -D -m 600 ${RANDOM} ${OWN.vfToken}`, `echo Y > ${PARAMETER}`],
      },
    ];
  },

  async apply(_change, host) {
    if (!isToken(host)) {
      const token = host.readText(RANDOM);
      if (token === undefined) throw new ToolError('NO_RANDOM_UUID', 'is missing', { subject: RANDOM });
      host.replaceFile(OWN.vfToken, `${token.trim()}\n`, MODE);
    }
    if (!isEnabled(host)) host.writeAttribute(PARAMETER, 'Y');
  },

  verify(_change, host) {
    if (!isToken(host)) return `${OWN.vfToken} holds no token that only root can read`;
    return isEnabled(host) ? undefined : `${PARAMETER} is not Y`;
  },

  async revert(change, host) {
    const { file, enabled } = change.before as Before;
    if (isEnabled(host) && !enabled) host.writeAttribute(PARAMETER, 'N');
    putBack(host, OWN.vfToken, file);
  },

  holdsBefore(change, host) {
    const { file, enabled } = change.before as Before;
    if (isEnabled(host) && !enabled) return `${PARAMETER} is still Y`;
    return notPutBack(host, OWN.vfToken, file);
  },
});

function isToken(host: ReadHost): boolean {
  return host.stat(OWN.vfToken)?.mode === MODE && UUID.test(host.readText(OWN.vfToken) ?? '');
}

/** Gone with the module, which is as good as off. */
const isEnabled = (host: ReadHost) => host.readText(PARAMETER)?.trim() === 'Y';

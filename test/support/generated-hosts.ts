import { arm64Server } from './arm64-server.ts';
import { bondVlan } from './bond-vlan.ts';
import { offlineSparse } from './offline-sparse.ts';
import { readyServer } from './ready-server.ts';
import { twoSocketSmt } from './two-socket-smt.ts';

/** The recorded hosts that a program wrote; the others were recorded on a machine. */
export const GENERATED: Readonly<Record<string, () => string | Promise<string>>> = {
  'arm64-server': arm64Server,
  'bond-vlan': bondVlan,
  'offline-sparse': offlineSparse,
  'ready-server': readyServer,
  'two-socket-smt': twoSocketSmt,
};

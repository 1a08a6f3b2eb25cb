import { accessAction } from './access.ts';
import { bootArgumentsAction } from './boot-arguments.ts';
import { cpusetAction } from './cpuset.ts';
import type { Action } from './define.ts';
import { driverAction } from './driver.ts';
import { hugepagesAction } from './hugepages.ts';
import { hugepagesPersistAction } from './hugepages-persist.ts';
import { hugetlbfsMountAction } from './hugetlbfs-mount.ts';
import { initramfsAction } from './initramfs.ts';
import { irqAffinityAction } from './irq-affinity.ts';
import { irqbalanceAction } from './irqbalance.ts';
import { isolationUnitAction } from './isolation-unit.ts';
import { moduleAction } from './module.ts';
import { nodeAction } from './node.ts';
import { noIommuAction } from './noiommu.ts';
import { persistAction } from './persist.ts';
import { releaseAction } from './release.ts';
import { rememberAction } from './remember.ts';
import { rpsXpsAction } from './rps-xps.ts';
import { settingAction } from './setting.ts';
import { settingFilesAction } from './setting-files.ts';
import { type Sleep, sleep } from './sleep.ts';
import { systemdAffinityAction } from './systemd-affinity.ts';
import { unmanageAction } from './unmanage.ts';
import { vfCountAction } from './vf-count.ts';
import { vfDriverAction } from './vf-driver.ts';
import { vfSettingsAction } from './vf-settings.ts';
import { vfTokenAction } from './vf-token.ts';

/** Every action in the order in which a plan is applied; it is undone in the reverse order. */
export function actionsWith(pause: Sleep): readonly Action[] {
  return [
    // First, while memory is least fragmented, and because it can fail.
    hugepagesAction,
    hugetlbfsMountAction,
    moduleAction,
    noIommuAction,
    rememberAction,
    unmanageAction,
    releaseAction(pause),
    driverAction(pause),
    vfTokenAction,
    vfCountAction,
    vfSettingsAction,
    vfDriverAction(pause),
    accessAction,
    nodeAction,
    persistAction,
    hugepagesPersistAction,
    initramfsAction,
    bootArgumentsAction,
    settingAction,
    settingFilesAction,
    systemdAffinityAction,
    isolationUnitAction,
    cpusetAction,
    // What moves interrupts is told first; and drivers above may have asked for new ones.
    irqbalanceAction,
    irqAffinityAction,
    rpsXpsAction,
  ];
}

export const ACTIONS = actionsWith(sleep);

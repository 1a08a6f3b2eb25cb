import type { InterfaceAddress, Link, Neighbour, Route, Rule } from '../formats/netlink.ts';

/** What a path is, without following a final symbolic link. */
export interface FileStatus {
  readonly type: 'file' | 'directory' | 'link' | 'character' | 'block' | 'other';
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Major and minor number of a device node. */
  readonly device?: { readonly major: number; readonly minor: number };
}

/** ETHTOOL_GDRVINFO (include/uapi/linux/ethtool.h, struct ethtool_drvinfo). */
export interface DriverInfo {
  readonly driver: string;
  readonly version: string;
  readonly firmware: string;
  readonly busInfo: string;
}

/** What the kernel answers only through netlink, ioctl or syslog(2); a recorded host holds the answers as JSON. */
export interface KernelAnswers {
  /** RTM_GETROUTE: every table, both families. */
  routes: readonly Route[];
  /** RTM_GETRULE. */
  rules: readonly Rule[];
  /** RTM_GETNEIGH. */
  neighbours: readonly Neighbour[];
  /** RTM_GETADDR. */
  addresses: readonly InterfaceAddress[];
  /** RTM_GETLINK. */
  links: readonly Link[];
  /** SIOCETHTOOL, by interface name. */
  drivers: Readonly<Record<string, DriverInfo>>;
  /** syslog(2) SYSLOG_ACTION_READ_ALL. */
  kernelLog: string;
}

export type Question = keyof KernelAnswers;

export type Answer<T> = { readonly answer: T } | { readonly unanswered: string };

/**
 * The read side of the machine. Calls are synchronous: a read of /proc or /sys costs microseconds, and Node's thread
 * pool ten times that. Absence is a fact and gives `undefined`; any other errno is a HostError with path and errno.
 */
export interface ReadHost {
  /** `/`, or the directory that stands for it. */
  readonly root: string;
  /** Whether this is the running machine, so that /proc/self, limits and the environment are its own. */
  readonly live: boolean;
  readText(path: string): string | undefined;
  /** At most `limit` bytes from the start. */
  readBytes(path: string, limit: number): Uint8Array | undefined;
  /** The target as stored. */
  readLink(path: string): string | undefined;
  /** Names in a directory, sorted. */
  list(path: string): readonly string[] | undefined;
  stat(path: string): FileStatus | undefined;
  /** The path with every symbolic link followed, as seen from inside the root. */
  realPath(path: string): string | undefined;
  ask<Q extends Question>(question: Q): Answer<KernelAnswers[Q]>;
}

export interface RunOptions {
  readonly input?: string;
  /** Milliseconds; then SIGTERM, SIGKILL two seconds later, and two more later it is left behind. */
  readonly timeout: number;
}

export interface RunResult {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

export interface Lock {
  release(): void;
}

/** The whole machine: the only place where anything is changed or started. */
export interface Host extends ReadHost {
  /**
   * Sends `value` to a kernel attribute with exactly one write(2) and no truncation, as /sys and /proc need it. The
   * empty text goes as "\n", because Node makes no system call for an empty write. Throws HostError with the errno.
   */
  writeAttribute(path: string, value: string): void;
  /** Replaces an ordinary file so that a crash leaves the old or the new text: temporary file, fsync, rename, fsync. */
  replaceFile(path: string, text: string, mode?: number): void;
  /**
   * Adds to the end of a file and returns when the disk has it. The file (0600) and its folders are made when they are
   * missing, and are on the disk too then. When it throws, a part of the text may be there.
   */
  appendFile(path: string, text: string): void;
  /** Removes a file or an empty directory; absence is fine. */
  remove(path: string): void;
  /**
   * Takes flock(2) on a file, which then holds the text `holder`. The kernel gives it back when this process ends,
   * however it ends. Undefined when another process has it.
   */
  lock(path: string, holder: string): Promise<Lock | undefined>;
  /** Starts a program without a shell. On a host that is not live it refuses. */
  run(argv: readonly [string, ...string[]], options: RunOptions): Promise<RunResult>;
}

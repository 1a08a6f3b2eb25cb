export interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

export interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** passwd(5). */
export function parsePasswd(text: string): PasswdEntry[] {
  return rows(text).flatMap(([name = '', , uid = '', gid = '']) =>
    name !== '' && isId(uid) && isId(gid) ? [{ name, uid: Number(uid), gid: Number(gid) }] : [],
  );
}

/** group(5). */
export function parseGroups(text: string): GroupEntry[] {
  return rows(text).flatMap(([name = '', , gid = '', members = '']) =>
    name !== '' && isId(gid) ? [{ name, gid: Number(gid), members: members.split(',').filter(Boolean) }] : [],
  );
}

const rows = (text: string) => text.split('\n').map((line) => line.trim().split(':'));
const isId = (text: string) => /^\d+$/.test(text);

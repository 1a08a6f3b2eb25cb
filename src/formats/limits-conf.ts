/** What limits.conf(5) sets for one account; absent where no line is about it. */
export interface LoginLimit {
  /** In the unit of the item: KiB for memlock. */
  readonly soft?: number;
  readonly hard?: number;
}

interface Account {
  readonly name: string;
  readonly uid: number;
  readonly groups: readonly { readonly name: string; readonly gid: number }[];
}

/**
 * Reads the files in the order in which pam_limits does. A line for the user beats one for a group, which beats one for
 * everybody; of equals the later counts; root is told by name alone (pam_limits.c, parse_config_file).
 */
export function loginLimit(texts: readonly string[], item: string, account: Account): LoginLimit {
  const limit: { soft?: number; hard?: number } = {};
  const strength = { soft: 0, hard: 0 };
  for (const line of texts.join('\n').split('\n')) {
    const [domain = '', type = '', name, text] = line.replace(/#.*/, '').trim().split(/\s+/);
    const strong = appliesTo(domain, account);
    const value = /^(unlimited|infinity|-1)$/i.test(text ?? '') ? Number.POSITIVE_INFINITY : Number(text);
    if (strong === 0 || name !== item || Number.isNaN(value)) continue;
    for (const kind of ['soft', 'hard'] as const) {
      if ((type !== '-' && type !== kind) || strong < strength[kind]) continue;
      limit[kind] = value;
      strength[kind] = strong;
    }
  }
  return limit;
}

/** 0: not at all; else the larger the more particular. */
function appliesTo(domain: string, { name, uid, groups }: Account): number {
  if (domain === name) return 3;
  if (uid === 0) return 0;
  if (domain === '*') return 1;
  const range = /^(@?)(\d*):(\d*)$/.exec(domain);
  if (range !== null) {
    const [, group, first = '', last = ''] = range;
    const numbers = group === '@' ? groups.map(({ gid }) => gid) : [uid];
    // `:500` is 500 alone; `500:` has no upper end.
    const inside = (id: number) =>
      first === ''
        ? last !== '' && id === Number(last)
        : id >= Number(first) && (last === '' || id <= Number(last));
    return numbers.some(inside) ? (group === '@' ? 2 : 3) : 0;
  }
  return domain.startsWith('@') && groups.some((group) => `@${group.name}` === domain) ? 2 : 0;
}

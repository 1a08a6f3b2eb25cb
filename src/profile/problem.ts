/** Why a part of a profile cannot be had on this host. */
export interface Unresolved {
  /** The NIC's name in the profile, or the key: `hugepages[0]`. */
  readonly subject: string;
  readonly sentence: string;
  /** Set where going on would be dangerous, and not only impossible. */
  readonly refused?: 'NIC_IDENTITY_DISAGREES' | 'NIC_IDENTITY_UNKNOWN' | 'NIC_STAYS' | 'TUNER_ACTIVE';
  /** Set where it may well be had, but something could not be read. */
  readonly unknown?: boolean;
}

/** Takes note of a problem, so that all of them can be told together. */
export type Report = (problem: Unresolved) => void;

import type { Wish } from '../engine/survey.ts';
import { FormatError } from '../formats/format-error.ts';
import { parsePciAddress } from '../formats/pci-address.ts';
import { EXIT, ToolError } from '../host/errors.ts';
import { loadProfile } from '../profile/load.ts';
import { resolveProfile } from '../profile/resolve.ts';
import { usageError } from './arguments.ts';
import type { Context } from './context.ts';
import { readInput } from './read-profile.ts';

/** A profile as it was given, and what it means. */
export interface GivenWish extends Wish {
  readonly source: { readonly name: string; readonly text: string };
}

export async function readWish({ values }: Context): Promise<GivenWish> {
  if (values.profile === undefined) {
    throw new ToolError('PROFILE_MISSING', 'no profile is given', {
      exitCode: EXIT.usage,
      hint: 'give one with -f FILE; bypass-setup suggest writes a first one',
    });
  }
  return wishOf(values.profile, readInput(values.profile), values['allow-active']);
}

export async function wishOf(
  name: string,
  input: string | Uint8Array,
  allowActive: string | undefined,
): Promise<GivenWish> {
  const profile = await loadProfile(name, input);
  return {
    source: { name, text: Buffer.from(input).toString('utf8') },
    resolve: (facts) => resolveProfile(profile, facts),
    allowActive: (allowActive?.split(',') ?? []).map(typedAddress),
  };
}

/** In full, as sysfs has it: who overrides the guard has looked at the NIC, and not at a list. */
function typedAddress(text: string): string {
  try {
    if (parsePciAddress(text) === text) return text;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
  }
  throw usageError(`--allow-active ${text}`, 'is not a full PCI address such as 0000:3b:00.0');
}

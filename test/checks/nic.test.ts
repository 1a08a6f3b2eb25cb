import { expect, test } from 'vitest';
import { carriedBy } from '../../src/checks/nic.ts';
import type { Carried } from '../../src/probes/facts.ts';
import { absent, factsOf, fixtureHost, known, theValue } from '../support/hosts.ts';

const facts = factsOf(fixtureHost('two-socket-smt'));
const nic = theValue(facts.pci.networkFunctions).find(({ address }) => address === '0000:3b:00.0');

function says(carried: typeof facts.network.carried) {
  if (nic === undefined) throw new Error('the recorded host has lost its NIC');
  return carriedBy(nic, { ...facts.network, carried });
}

const use = (over: Partial<Carried>): Carried => ({
  pci: '0000:3b:00.0',
  chain: ['enp59s0np0'],
  what: 'route to 192.0.2.0/24',
  kind: 'route',
  certain: true,
  from: 'here',
  ...over,
});

test('[B2] a NIC is free only where it is sure that it carries nothing', () => {
  expect(says(known([], 'here'))).toEqual({ says: 'carries nothing', free: true });
  expect(says(known([use({ pci: '0000:04:00.0' })], 'here')).free).toBe(true);
  expect(says(known([use({})], 'here'))).toEqual({ says: 'carries route to 192.0.2.0/24', free: false });
  expect(says(known([use({ certain: false })], 'here'))).toEqual({
    says: 'may carry something: route to 192.0.2.0/24',
    free: false,
  });
  expect(says(known([use({ kind: 'unknown', what: 'nobody looked' })], 'here'))).toEqual({
    says: 'may carry something: nobody looked',
    free: false,
  });
  expect(says(absent('denied', 'needs root', 'here')).free).toBe(false);
});

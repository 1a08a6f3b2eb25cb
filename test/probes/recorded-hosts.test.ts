import { expect, test } from 'vitest';
import { parseArchive, printArchive } from '../../src/formats/text-archive.ts';
import { RecordingHost } from '../../src/host/recording-host.ts';
import { factsSchema } from '../../src/probes/facts.ts';
import { GENERATED } from '../support/generated-hosts.ts';
import { FIXTURES, factsOf, fixtureHost, fixturePath, fixtureText, hostOf } from '../support/hosts.ts';

test.each(Object.entries(GENERATED))(
  '%s is as its program writes it (vitest -u writes it)',
  async (name, write) => {
    await expect(await write()).toMatchFileSnapshot(fixturePath(name));
  },
);

test.each(FIXTURES)('the archive of %s is as it would be printed again', (name) => {
  expect(printArchive(parseArchive(fixtureText(name)))).toBe(fixtureText(name));
});

test.each(FIXTURES)('the facts of %s match their schema', (name) => {
  const facts = factsOf(fixtureHost(name));
  expect(factsSchema.parse(facts)).toEqual(facts);
});

test.each(FIXTURES)('a recording of %s gives the same facts', (name) => {
  const recording = new RecordingHost(fixtureHost(name));
  const facts = factsOf(recording);
  expect(facts).toEqual(factsOf(fixtureHost(name)));
  expect(factsOf(hostOf(recording.recorded()))).toEqual(facts);
});

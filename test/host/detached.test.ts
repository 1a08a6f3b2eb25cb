import { expect, it } from 'vitest';
import { startDetached } from '../../src/host/detached.ts';

it('a first line counts, also when it is read after the program has ended', async () => {
  expect(await startDetached(['/bin/sh', '-c', '(sleep 0.3; echo here) & exit 0'])).toBe('here');
});

it('a program that ends without a line was not started', async () => {
  await expect(startDetached(['/bin/sh', '-c', 'exit 3'])).rejects.toMatchObject({
    code: 'PROGRAM_NOT_STARTED',
    message: 'ended at once (3)',
  });
});

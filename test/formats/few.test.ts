import { expect, it } from 'vitest';
import { changeTitle } from '../../src/formats/change-title.ts';
import { few } from '../../src/formats/few.ts';

it('names four at most', () => {
  expect([[], ['a'], ['a', 'b', 'c', 'd']].map(few)).toEqual(['', 'a', 'a, b, c, d']);
  expect(few(['a', 'b', 'c', 'd', 'e'])).toBe('a, b, c and 2 more');
});

it('a change names its target once', () => {
  expect(changeTitle({ target: '/etc/x', summary: 'write /etc/x: why' })).toBe('write /etc/x: why');
  expect(changeTitle({ target: '0000:3b:00.0', summary: 'bind to vfio-pci' })).toBe(
    '0000:3b:00.0: bind to vfio-pci',
  );
});

import { expect, test } from 'vitest';
import { dropIn, OWN, VF_TOKEN } from '../../src/formats/own-files.ts';
import { absent, factsOf, known, withFiles } from '../support/hosts.ts';

const HOST = 'two-socket-smt';
const ownFiles = (changes: Parameters<typeof withFiles>[1]) => factsOf(withFiles(HOST, changes)).ownFiles;

test('[A4] [H11] the files that apply writes are read with text and mode, and which of their folders there are', () => {
  const found = ownFiles({ [OWN.udev]: 'a rule\n', [dropIn('trader.service')]: '[Service]\n' });
  expect(found.files[OWN.udev]).toEqual(known({ text: 'a rule\n', mode: 0o644 }, OWN.udev));
  expect(found.files[dropIn('trader.service')]?.value?.text).toBe('[Service]\n');
  expect(found.files[OWN.unit]).toEqual(absent('missing', 'no such file', OWN.unit));
  expect(found.folders).toEqual(
    expect.arrayContaining(['/etc', '/etc/udev/rules.d', '/var/lib/bypass-setup']),
  );
  expect(found.folders).not.toContain('/etc/initramfs-tools');
});

test('[H11] what could not be brought back is no text', () => {
  expect(ownFiles({ [OWN.unit]: Uint8Array.of(0xff) }).files[OWN.unit]).toMatchObject({ absent: 'garbled' });
  expect(ownFiles({ [OWN.unit]: 'a folder' }).files[OWN.unit]).toMatchObject({ absent: 'garbled' });
  // A part of it would be written back as the whole by an undo.
  expect(ownFiles({ [OWN.unit]: 'x'.repeat((1 << 20) + 1) }).files[OWN.unit]).toMatchObject({
    absent: 'garbled',
  });
  expect(ownFiles({ [OWN.unit]: { denied: 'EACCES' } }).files[OWN.unit]).toMatchObject({ absent: 'denied' });
});

test('[B25] the token of virtual functions is seen and not read', () => {
  const found = ownFiles({ [VF_TOKEN]: 'a secret\n' });
  expect(found.vfToken).toEqual(known({ mode: 0o644 }, VF_TOKEN));
  expect(JSON.stringify(found)).not.toContain('a secret');
});

test('[C2] the tool that builds the initramfs, where there is an image of the running kernel', () => {
  const image = '/boot/initrd.img-6.1.0-28-amd64';
  expect(ownFiles({}).initramfs).toMatchObject({ absent: 'missing' });
  expect(ownFiles({ '/usr/sbin/mkinitramfs': '' }).initramfs).toMatchObject({ absent: 'missing' });
  expect(ownFiles({ '/usr/sbin/mkinitramfs': '', [image]: '' }).initramfs.value).toEqual({
    tool: 'mkinitramfs',
    image,
  });
  expect(
    ownFiles({ '/usr/bin/dracut': '', '/boot/initramfs-6.1.0-28-amd64.img': '' }).initramfs.value,
  ).toEqual({
    tool: 'dracut',
    image: '/boot/initramfs-6.1.0-28-amd64.img',
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMask } from '../../src/formats/mask.ts';

describe('masking', () => {
  it('replaces addresses, serial numbers, UUIDs and names, and leaves what means nothing personal', () => {
    const mask = createMask(['trading-7']);
    expect(
      mask(
        'eth0 AC:1F:6B:00:11:22 peer ac:1f:6b:00:11:22 on trading-7 00:00:00:00:00:00 ff:ff:ff:ff:ff:ff 192.0.2.1',
      ),
    ).toBe(
      'eth0 02:00:00:00:00:01 peer 02:00:00:00:00:01 on masked-2 00:00:00:00:00:00 ff:ff:ff:ff:ff:ff 192.0.2.1',
    );
    expect(mask('serial 3c-fd-fe-ff-ff-01-02-03 root=UUID=5f0e6c1e-0d0c-4b0a-9a58-0c1d2e3f4a5b')).toBe(
      'serial 00-00-00-00-00-00-00-04 root=UUID=00000000-0000-4000-8000-000000000003',
    );
  });

  it('gives one stand-in for one secret, whatever its case and in whatever file', () => {
    const octet = fc.integer({ min: 0, max: 255 }).map((value) => value.toString(16).padStart(2, '0'));
    const mac = fc.array(octet, { minLength: 6, maxLength: 6 }).map((octets) => octets.join(':'));
    fc.assert(
      fc.property(fc.uniqueArray(mac, { minLength: 1, maxLength: 20 }), (macs) => {
        const mask = createMask([]);
        const first = macs.map(mask);
        expect(macs.map((text) => mask(text.toUpperCase())).map((text) => text.toLowerCase())).toEqual(first);
        expect(new Set(first).size).toBe(macs.length);
      }),
    );
  });

  it('finds a MAC address in what is made of it: interface identifiers, interface names', () => {
    const mask = createMask([]);
    expect(mask('02:fc:00:00:00:01 fe80::fc:ff:fe00:1/64 enx02fc00000001 on 2001:db8::fc:ff:fe00:1')).toBe(
      '02:00:00:00:00:01 fe80::0:ff:fe00:1/64 enx020000000001 on 2001:db8::0:ff:fe00:1',
    );
    expect(mask('0: 000080FE00000000FF00FC00010000FE:0016 B80D0120000000000000000002000000:C350 01')).toBe(
      '0: 000080FE00000000FF000000010000FE:0016 B80D0120000000000000000002000000:C350 01',
    );
    expect(mask('usb 1-1: SerialNumber: AB12\n2001:db8:20::10 stays')).toBe(
      'usb 1-1: SerialNumber: masked\n2001:db8:20::10 stays',
    );
  });

  it('never takes a short host name for a secret', () => {
    expect(createMask(['vm', ''])('vm on a vm')).toBe('vm on a vm');
  });
});

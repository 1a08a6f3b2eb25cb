/**
 * Takes out of recorded text what identifies a machine. The same secret always becomes the same stand-in, so that
 * what belongs together still does.
 */
export function createMask(secrets: readonly string[]): (text: string) => string {
  const standIns = new Map<string, string>();
  const names = secrets.filter((secret) => secret.length >= 3).sort((a, b) => b.length - a.length);
  const standIn = (secret: string, make: (number: number) => string): string => {
    const key = secret.toLowerCase();
    const known = standIns.get(key) ?? make(standIns.size + 1);
    standIns.set(key, known);
    return known;
  };
  return (text) => {
    let masked = text.replace(MAC, (mac) => (isPlain(mac) ? mac : standIn(mac, maskedMac)));
    masked = masked.replace(EUI64, (_, prefix: string, identifier: string) => {
      return prefix + linkLocal(standIn(macOfIdentifier(identifier), maskedMac));
    });
    masked = masked.replace(SOCKET, (_, prefix: string, low: string, high: string) => {
      const mac = macOfIdentifier(identifierOf(reversed(low) + reversed(high)));
      const groups = linkLocal(standIn(mac, maskedMac)).split(':');
      const digits = groups
        .map((group) => group.padStart(4, '0'))
        .join('')
        .toUpperCase();
      return prefix + reversed(digits.slice(0, 8)) + reversed(digits.slice(8));
    });
    masked = masked.replace(BY_MAC, (_, prefix: string, digits: string) => {
      const mac = (digits.match(/../g) ?? []).join(':');
      return prefix + standIn(mac, maskedMac).replaceAll(':', '');
    });
    masked = masked.replace(USB_SERIAL, '$1masked');
    masked = masked.replace(UUID, (uuid) => standIn(uuid, maskedUuid));
    masked = masked.replace(SERIAL, (serial) => standIn(serial, maskedSerial));
    for (const name of names)
      masked = masked.replaceAll(
        name,
        standIn(name, (number) => `masked-${number}`),
      );
    return masked;
  };
}

const MAC = /\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b/gi;
/** An IPv6 address whose interface identifier is made of a MAC address (RFC 4291, appendix A). */
const EUI64 = /((?:[0-9a-f]{1,4}:){1,4}:?)([0-9a-f]{1,4}:[0-9a-f]{0,2}ff:fe[0-9a-f]{2}:[0-9a-f]{1,4})\b/gi;
/** The same in a table of sockets: words of 32 bits, each with its last byte first (net/ipv6/tcp_ipv6.c). */
const SOCKET = /\b([0-9A-F]{16})(FF[0-9A-F]{6})([0-9A-F]{6}FE)(?=:[0-9A-F]{4}\b)/g;
/** An interface named after its MAC address (systemd.net-naming-scheme(7)). */
const BY_MAC = /\b((?:en|wl|ww)x)([0-9a-f]{12})\b/g;
const USB_SERIAL = /(SerialNumber: )[^\n"\\]+/g;
const UUID = /\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b/gi;
/** A PCI device serial number as lspci prints it. */
const SERIAL = /\b(?:[0-9a-f]{2}-){7}[0-9a-f]{2}\b/gi;

/** All zeros and all ones mean something and identify nothing. */
function isPlain(mac: string): boolean {
  return /^(?:00[:]?){6}$/.test(mac) || /^(?:ff[:]?){6}$/i.test(mac);
}

/** The MAC address of an interface identifier: the universal bit turned, ff:fe taken out. */
function macOfIdentifier(identifier: string): string {
  const digits = identifier
    .split(':')
    .map((group) => group.padStart(4, '0'))
    .join('');
  const first = (Number.parseInt(digits.slice(0, 2), 16) ^ 2).toString(16).padStart(2, '0');
  return [first, ...(`${digits.slice(2, 6)}${digits.slice(10)}`.match(/../g) ?? [])].join(':');
}

function reversed(bytes: string): string {
  return (bytes.match(/../g) ?? []).reverse().join('');
}

function identifierOf(digits: string): string {
  return (digits.toLowerCase().match(/.{4}/g) ?? []).join(':');
}

function linkLocal(mac: string): string {
  const [a = '', b, c, d, e, f] = mac.split(':');
  const first = (Number.parseInt(a, 16) ^ 2).toString(16).padStart(2, '0');
  return `${first}${b}:${c}ff:fe${d}:${e}${f}`.replace(/(^|:)0+(?=[0-9a-f])/g, '$1');
}

/** 02: locally administered, so that it can be nobody's. */
function maskedMac(number: number): string {
  const digits = number.toString(16).padStart(10, '0');
  return `02:${(digits.match(/../g) ?? []).join(':')}`;
}

function maskedUuid(number: number): string {
  return `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`;
}

function maskedSerial(number: number): string {
  return (number.toString(16).padStart(16, '0').match(/../g) ?? []).join('-');
}

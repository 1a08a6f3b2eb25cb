/** Raw Ethernet frames to and from a NIC of the guest, beside the kernel's traffic on its tap. */
import { connect, type Socket } from 'node:net';

/** The other end of `-netdev stream`: each frame after its length in four octets, big-endian. */
export class Frames {
  private readonly received: Buffer[] = [];
  private rest: Buffer = Buffer.alloc(0);

  private readonly socket: Socket;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (octets: Buffer) => this.take(octets));
    socket.on('error', () => {});
  }

  static open(path: string): Promise<Frames> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      socket.once('error', reject);
      socket.once('connect', () => resolve(new Frames(socket)));
    });
  }

  send(frame: Buffer): void {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(frame.length);
    this.socket.write(Buffer.concat([length, frame]));
  }

  /** The first frame since the last call that `wanted` takes, or undefined after `milliseconds`. */
  async next(wanted: (frame: Buffer) => boolean, milliseconds: number): Promise<Buffer | undefined> {
    const until = Date.now() + milliseconds;
    for (;;) {
      const at = this.received.findIndex(wanted);
      if (at >= 0) return this.received.splice(0, at + 1).at(-1);
      if (Date.now() > until) return undefined;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  close(): void {
    this.socket.destroy();
  }

  private take(octets: Buffer): void {
    this.rest = Buffer.concat([this.rest, octets]);
    while (this.rest.length >= 4) {
      const length = this.rest.readUInt32BE(0);
      if (this.rest.length < 4 + length) return;
      this.received.push(Buffer.from(this.rest.subarray(4, 4 + length)));
      this.rest = this.rest.subarray(4 + length);
    }
  }
}

const ARP = 0x0806;

/** An ARP request (RFC 826) from `mac` and `from` for `target`, as a broadcast padded to 60 octets. */
export function arpRequest(mac: string, from: string, target: string): Buffer {
  const frame = Buffer.alloc(60);
  frame.fill(0xff, 0, 6);
  macBytes(mac).copy(frame, 6);
  frame.writeUInt16BE(ARP, 12);
  Buffer.from([0, 1, 8, 0, 6, 4, 0, 1]).copy(frame, 14);
  macBytes(mac).copy(frame, 22);
  addressBytes(from).copy(frame, 28);
  addressBytes(target).copy(frame, 38);
  return frame;
}

/** Sender of an ARP reply, or undefined when the frame is none. */
export function arpReply(frame: Buffer): { mac: string; address: string } | undefined {
  if (frame.length < 42 || frame.readUInt16BE(12) !== ARP || frame.readUInt16BE(20) !== 2) return undefined;
  return {
    mac: [...frame.subarray(22, 28)].map((octet) => octet.toString(16).padStart(2, '0')).join(':'),
    address: [...frame.subarray(28, 32)].join('.'),
  };
}

const macBytes = (mac: string) => Buffer.from(mac.replaceAll(':', ''), 'hex');
const addressBytes = (address: string) => Buffer.from(address.split('.').map(Number));

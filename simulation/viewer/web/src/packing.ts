/** Unpacks what `simulation/viewer/packing.py` packs. */

const NAN_MARK = -(2 ** 31);

interface Entry {
  name: string;
  shape: number[];
  offset: number;
  scale?: number;
}

export class Message {
  readonly header: Record<string, any>;
  private readonly entries = new Map<string, Entry>();

  constructor(
    private readonly buffer: ArrayBuffer,
    private readonly start: number,
    header: Record<string, any>,
  ) {
    this.header = header;
    for (const entry of header.arrays as Entry[]) this.entries.set(entry.name, entry);
  }

  static read(buffer: ArrayBuffer): Message {
    const head = new DataView(buffer);
    if (buffer.byteLength < 8 || head.getUint32(0, false) !== 0x43425231) {
      throw new Error("The server's answer is not a message of this viewer. Reload the page.");
    }
    const start = 8 + head.getUint32(4, true);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, start - 8)));
    return new Message(buffer, start, header);
  }

  integers(name: string): Int32Array {
    const entry = this.entry(name);
    const count = entry.shape.reduce((product, size) => product * size, 1);
    return new Int32Array(this.buffer, this.start + entry.offset, count);
  }

  /** Real numbers in row-major order; missing values are NaN. */
  reals(name: string): Float32Array {
    const entry = this.entry(name);
    const differences = this.integers(name);
    const scale = entry.scale ?? 1;
    const length = entry.shape[entry.shape.length - 1] ?? 0;
    const values = new Float32Array(differences.length);
    for (let start = 0; start < differences.length; start += length) {
      let sum = 0;
      for (let i = start; i < start + length; i++) {
        sum = (sum + differences[i]) | 0;
        values[i] = sum === NAN_MARK ? NaN : sum * scale;
      }
    }
    return values;
  }

  private entry(name: string): Entry {
    const entry = this.entries.get(name);
    if (!entry) throw new Error(`The server's answer lacks ${name}. Reload the page.`);
    return entry;
  }
}

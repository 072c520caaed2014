/** What an entry counts beside its name and its value. */
const entryBytes = 32;
const firstPlaces = 16;

/** The dynamic table of HPACK: the fields that were added last, as many as its size allows. */
export class DynamicTable {
  /** How many entries there are. */
  length = 0;
  /** Changes whenever an entry comes or goes, or the size that is allowed changes. */
  version = 0;
  /** A ring, of a power of two places. A place without an entry holds empty texts, so that no text outlives its entry. */
  private names = new Array<string>(firstPlaces).fill('');
  private values = new Array<string>(firstPlaces).fill('');
  /** The place of the next entry. */
  private next = 0;
  private bytes = 0;

  constructor(private maxBytes: number) {}

  /** The name of an entry; 0 is the newest one. */
  name(index: number): string {
    return this.names[this.placeOf(index)] as string;
  }

  /** The value of an entry; 0 is the newest one. */
  value(index: number): string {
    return this.values[this.placeOf(index)] as string;
  }

  /** Adds an entry and removes the oldest ones until it fits. One that never fits leaves the table empty. */
  add(name: string, value: string): void {
    const bytes = name.length + value.length + entryBytes;
    this.shrinkTo(this.maxBytes - bytes);
    if (bytes > this.maxBytes) return;
    if (this.length === this.names.length) this.grow();
    this.names[this.next] = name;
    this.values[this.next] = value;
    this.next = (this.next + 1) & (this.names.length - 1);
    this.length++;
    this.bytes += bytes;
    this.version++;
  }

  /** Changes the size that is allowed, and removes the oldest entries that are too many. */
  resize(maxBytes: number): void {
    if (maxBytes !== this.maxBytes) this.version++;
    this.maxBytes = maxBytes;
    this.shrinkTo(maxBytes);
  }

  private shrinkTo(bytes: number): void {
    while (this.bytes > bytes && this.length > 0) {
      const oldest = this.placeOf(this.length - 1);
      this.bytes -= this.name(this.length - 1).length + this.value(this.length - 1).length + entryBytes;
      this.names[oldest] = '';
      this.values[oldest] = '';
      this.length--;
      this.version++;
    }
  }

  private placeOf(index: number): number {
    return (this.next - 1 - index) & (this.names.length - 1);
  }

  private grow(): void {
    const places = Array.from({ length: this.length }, (_, i) => this.placeOf(this.length - 1 - i));
    const free = new Array<string>(this.length).fill('');
    this.names = [...places.map((place) => this.names[place] as string), ...free];
    this.values = [...places.map((place) => this.values[place] as string), ...free];
    this.next = this.length;
  }
}

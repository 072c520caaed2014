export interface CountedExport {
  readonly name: string;
  readonly line: number;
  readonly isDocumented: boolean;
}
export interface RoomExport extends CountedExport {
  readonly room: string;
  readonly path: string;
}
export function exportsOf(text: string): CountedExport[];
export function allExports(): RoomExport[];
export function publicExports(): RoomExport[];
export function documentedShare(exports: readonly CountedExport[]): number;

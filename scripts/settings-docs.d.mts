export function withTables(document: string): string;
export function fileSchema(): string;
export const generated: Readonly<Record<string, (text: string) => string>>;

/** Client text inside an error text, cut so that the answer stays small. */
export function clip(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 200)}...`;
}

/** Where the files of the page are. */
export const assets: string;
/** Makes the page, unless it is there and nothing has changed. Rejects when it was not compiled. */
export function bundleDashboard(): Promise<void>;

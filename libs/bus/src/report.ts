/** Told about what nobody else can handle: a handler that threw, bytes that were dropped. Never called for what a promise or callback already says. */
export type Report = (text: string, cause?: unknown) => void;

/** Reports on stderr. */
export const reportToConsole: Report = (text, cause) => {
  console.error(`bus: ${text}`, ...(cause === undefined ? [] : [cause]));
};

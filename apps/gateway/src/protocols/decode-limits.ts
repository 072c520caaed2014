import { defaults, type SettingsOf } from '@mserve/config';

/** Settings of a gateway that bound what one request may have, in all protocols (docs/limits.md). */
export const decodeLimitSettings = ['maxRequestInstances', 'maxTensorStrings', 'maxJsonDepth'] as const;

/** What one request may have. */
export interface DecodeLimits extends Pick<SettingsOf<'gateway'>, (typeof decodeLimitSettings)[number]> {
  /** Of a body, and of each tensor in it. */
  readonly maxMessageBytes: number;
}

/** As they can be told. Default of all but maxMessageBytes: the setting's. */
export type GivenLimits = Pick<DecodeLimits, 'maxMessageBytes'> & {
  readonly [Key in (typeof decodeLimitSettings)[number]]?: DecodeLimits[Key] | undefined;
};

/** The limits in force. */
export function decodeLimitsOf({
  maxMessageBytes,
  maxRequestInstances = defaults.gateway.maxRequestInstances,
  maxTensorStrings = defaults.gateway.maxTensorStrings,
  maxJsonDepth = defaults.gateway.maxJsonDepth,
}: GivenLimits): DecodeLimits {
  return { maxMessageBytes, maxRequestInstances, maxTensorStrings, maxJsonDepth };
}

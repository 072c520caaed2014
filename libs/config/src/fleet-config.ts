import { IsIn, IsInt, IsOptional, IsString, Matches, Max, Min } from 'class-validator';
import { Setting } from './setting.js';

/** TLS is not asked for here: it is used when the server requires it. */
const natsServer =
  /(?:nats:\/\/)?(?:\[[0-9a-fA-F:.]+\]|[^\s,/@:[\]]+)(?::0*(?:[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5]))?/
    .source;
const natsServers = new RegExp(`^${natsServer}(?:,${natsServer})*$`);

/** What every app of a fleet needs to know: where the bus is, how to log in, how to end. */
export class FleetConfig {
  @Setting({ kind: 'text', doc: 'NATS server(s), comma-separated' })
  @IsString()
  @Matches(natsServers, {
    message:
      'nats must be nats://HOST:PORT, or several of them with commas between them, without a user or password (settings of their own)',
  })
  nats = 'nats://127.0.0.1:4222';

  @Setting({ kind: 'text', doc: 'user name at NATS' })
  @IsOptional()
  @IsString()
  natsUser?: string;

  @Setting({ kind: 'text', doc: 'password at NATS', secret: true })
  @IsOptional()
  @IsString()
  natsPassword?: string;

  @Setting({ kind: 'text', doc: 'token at NATS', secret: true })
  @IsOptional()
  @IsString()
  natsToken?: string;

  @Setting({ kind: 'text', doc: 'NATS credentials file (.creds)' })
  @IsOptional()
  @IsString()
  natsCreds?: string;

  @Setting({ kind: 'text', doc: 'first part of every subject; fleets with different prefixes do not see each other' })
  @IsString()
  @Matches(/^(?=.{1,200}$)[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/, {
    message: "subjectPrefix must be at most 200 letters, digits, '_', '-', and single dots between them",
  })
  subjectPrefix = 'mserve';

  @Setting({ kind: 'text', doc: 'debug, info, warn, error or silent' })
  @IsIn(['debug', 'info', 'warn', 'error', 'silent'])
  logLevel = 'info';

  @Setting({ kind: 'number', doc: 'how long work in hand may take after SIGTERM, in ms' })
  @IsInt()
  @Min(0)
  @Max(3_600_000)
  graceMs = 30_000;
}

import { IsIn, IsInt, IsNotEmpty, IsOptional, IsString, Max, Min } from 'class-validator';
import { Setting } from './setting.js';

/** What every app of a fleet needs to know: where the bus is, how to log in, how to end. */
export class FleetConfig {
  @Setting({ kind: 'text', doc: 'NATS server(s), comma-separated' })
  @IsString()
  @IsNotEmpty()
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
  @IsNotEmpty()
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

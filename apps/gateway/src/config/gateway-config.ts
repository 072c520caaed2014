import { IsBoolean, IsInt, IsNotEmpty, IsOptional, IsString, Max, Min } from 'class-validator';
import { FleetConfig, Setting } from '@mserve/config';

/** What `nx serve gateway` can be told. */
export class GatewayConfig extends FleetConfig {
  @Setting({ kind: 'text', doc: 'address of the REST port, host:port; empty = none' })
  @IsString()
  rest = '127.0.0.1:1500';

  @Setting({ kind: 'text', doc: 'address of the gRPC port, host:port or unix:path; empty = none' })
  @IsString()
  grpc = '127.0.0.1:5500';

  @Setting({ kind: 'number', doc: 'largest REST body and gRPC message, in MiB' })
  @IsInt()
  @Min(1)
  @Max(512)
  maxMessageMb = 100;

  @Setting({ kind: 'number', doc: 'requests in hand at a time; further ones are refused' })
  @IsInt()
  @Min(1)
  maxInFlight = 10_000;

  @Setting({ kind: 'number', doc: 'deadline of requests that bring none, in ms' })
  @IsInt()
  @Min(1)
  defaultDeadlineMs = 100_000;

  @Setting({ kind: 'number', doc: 'REST connections at a time' })
  @IsInt()
  @Min(1)
  maxConnections = 10_000;

  @Setting({ kind: 'number', doc: 'how long the headers of a REST request may take, in ms' })
  @IsInt()
  @Min(1)
  headersTimeoutMs = 10_000;

  @Setting({ kind: 'number', doc: 'how long a REST request may take to arrive, in ms' })
  @IsInt()
  @Min(1)
  requestTimeoutMs = 30_000;

  @Setting({ kind: 'number', doc: 'how long a client may take nothing of its answer, in ms' })
  @IsInt()
  @Min(1)
  writeTimeoutMs = 30_000;

  @Setting({ kind: 'yes-no', doc: 'REST /model/... answers errors with status 200, as MindSpore Serving does' })
  @IsBoolean()
  legacyStatus200 = false;

  @Setting({ kind: 'yes-no', doc: 'Swagger UI at /docs and /openapi.json; default: on loopback only' })
  @IsOptional()
  @IsBoolean()
  docs?: boolean;

  @Setting({ kind: 'text', doc: 'PEM file of the certificate: both ports speak TLS' })
  @IsOptional()
  @IsString()
  @IsNotEmpty()
  tlsCertificate?: string;

  @Setting({ kind: 'text', doc: 'PEM file of the private key' })
  @IsOptional()
  @IsString()
  @IsNotEmpty()
  tlsPrivateKey?: string;

  @Setting({ kind: 'text', doc: 'PEM file of the authority of client certificates' })
  @IsOptional()
  @IsString()
  @IsNotEmpty()
  tlsCustomCa?: string;

  @Setting({ kind: 'yes-no', doc: 'require and verify a client certificate' })
  @IsBoolean()
  tlsVerifyClient = false;
}

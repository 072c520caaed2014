import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsInt,
  IsNotEmpty,
  IsOptional,
  IsString,
  Matches,
  Max,
  Min,
} from 'class-validator';
import { FleetConfig, Setting } from '@mserve/config';

/** What `nx serve device-worker` can be told. */
export class WorkerConfig extends FleetConfig {
  @Setting({ kind: 'text', doc: 'directory that holds one folder per servable' })
  @IsString()
  @IsNotEmpty()
  directory = '.';

  @Setting({ kind: 'list', doc: 'servables to load, NAME or NAME:VERSION, comma-separated; default: all in the directory, latest version' })
  @IsOptional()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayUnique()
  @Matches(/^[A-Za-z0-9_-]{1,64}(:[1-9][0-9]{0,8})?$/, { each: true, message: 'each of servables must be NAME or NAME:VERSION' })
  servables?: string[];

  @Setting({ kind: 'numbers', doc: 'devices; a replica of every servable is made on each' })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(1024)
  @ArrayUnique()
  @IsInt({ each: true })
  @Min(0, { each: true })
  deviceIds = [0];

  @Setting({ kind: 'number', doc: 'threads for functions per servable, over all its devices; at least one per replica' })
  @IsInt()
  @Min(0)
  @Max(64)
  numParallelWorkers = 1;

  @Setting({ kind: 'number', doc: 'threads inside one native run, 0 = one per core; default: the cores but one, shared by the replicas' })
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(1024)
  intraOpThreads?: number;

  @Setting({ kind: 'number', doc: 'runs at the same time per model of a replica' })
  @IsInt()
  @Min(1)
  @Max(64)
  concurrentRuns = 1;

  @Setting({ kind: 'number', doc: 'instances a replica takes at a time; default: what runs and one batch that waits, at least 16' })
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(1_000_000)
  credits?: number;

  @Setting({ kind: 'yes-no', doc: 'run each model once with zeros before it is ready' })
  @IsBoolean()
  warmUp = true;
}

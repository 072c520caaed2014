import 'reflect-metadata';
import { runApp } from '@mserve/app';
import { deviceWorkerApp } from './device-worker-app.js';

process.exit(await runApp(process, deviceWorkerApp(process.env)));

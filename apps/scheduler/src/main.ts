import 'reflect-metadata';
import { runApp } from '@mserve/app';
import { schedulerApp } from './scheduler-app.js';

process.exit(await runApp(process, schedulerApp(process.env)));

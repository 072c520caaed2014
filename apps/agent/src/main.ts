import 'reflect-metadata';
import { runApp } from '@mserve/app';
import { agentApp } from './agent-app.js';

process.exit(await runApp(process, agentApp()));

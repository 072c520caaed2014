import 'reflect-metadata';
import { runApp } from '@mserve/app';
import { gatewayApp } from './gateway-app.js';

process.exit(await runApp(process, gatewayApp(process.env)));

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../test/build/ports.js';
import { type Candidate, isInstalled, launch, ownFolder } from './router-site.js';

/** Debian's nginx as one plain hop to a decode engine, with an access log: what any gateway costs. */
export const nginx: Candidate = {
  name: 'nginx',
  mustBeRight: true,
  hasTwoLegs: false,
  toInstall: 'apt-get install nginx',
  async start(site) {
    if (!isInstalled('nginx', '-v')) return undefined;
    const port = await freePort();
    const folder = ownFolder(site, 'nginx');
    const file = join(folder, 'nginx.conf');
    writeFileSync(file, nginxConf(folder, port, site.enginePort, site.decode));
    const args = ['-c', file, '-p', folder, '-g', 'daemon off;'];
    return launch({ name: 'nginx', folder, port, command: 'nginx', args });
  },
};

/** haproxy as one plain hop, with an access log; without `http-no-delay` it joins chunks of a stream. */
export const haproxy: Candidate = {
  name: 'haproxy',
  mustBeRight: false,
  hasTwoLegs: false,
  toInstall: 'apt-get install haproxy',
  async start(site) {
    if (!isInstalled('haproxy', '-v')) return undefined;
    const port = await freePort();
    const folder = ownFolder(site, 'haproxy');
    const file = join(folder, 'haproxy.cfg');
    writeFileSync(file, haproxyConf(port, site.enginePort, site.decode));
    return launch({ name: 'haproxy', folder, port, command: 'haproxy', args: ['-db', '-f', file] });
  },
};

/** With less than a sixteenth of its connections left, nginx closes those that have not asked yet: hence so many. */
function nginxConf(folder: string, port: number, enginePort: number, decode: readonly string[]): string {
  const servers = decode.map((ip) => `server ${ip}:${enginePort};`).join(' ');
  return `worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr warn;
events { worker_connections 24000; }
http {
  access_log ${folder}/access.log;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  client_max_body_size 64m; client_body_buffer_size 1m;
  upstream engines { ${servers} keepalive 512; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096; keepalive_requests 1000000;
    location / { proxy_pass http://engines; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }
  }
}
`;
}

function haproxyConf(port: number, enginePort: number, decode: readonly string[]): string {
  const servers = decode.map((ip, i) => `  server s${i} ${ip}:${enginePort}`).join('\n');
  return `global
  nbthread 1
  maxconn 9900
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  option http-no-delay
  http-reuse always
  timeout connect 5s
  timeout client 10m
  timeout server 10m
frontend clients
  bind 127.0.0.1:${port} backlog 4096
  default_backend engines
backend engines
  balance roundrobin
${servers}
`;
}

/**
 * The listening socket, plain or with TLS, and the change of its certificate while it runs.
 *
 * The library cannot change the certificate of an application. So a new application takes over the port: both listen
 * for a moment, then the old one stops to accept, and its connections live on as long as their clients use them.
 */
import { ConfigError } from '../errors/errors.ts';
import { CertificateWatch, checkCertificate } from './certificate.ts';
import type { CertificateFiles } from './certificate.ts';
import type { FrontLogger } from './deps.ts';
import { LISTEN_EXCLUSIVE, LISTEN_SHARED } from './uws.ts';
import type { UwsApp, UwsListenSocket, UwsModule, UwsRequest, UwsResponse } from './uws.ts';

/** Applications with older certificates that may keep connections; beyond it those of the oldest are closed. */
const MAX_OLD_APPS = 8;

export interface ListenerOptions {
  readonly uws: UwsModule;
  /** Undefined: plain HTTP. */
  readonly certificate: CertificateFiles | undefined;
  readonly logger: FrontLogger;
  readonly onRequest: (res: UwsResponse, req: UwsRequest) => void;
  /** Each connection that begins (+1) and ends (-1). */
  readonly onConnection: (res: UwsResponse, change: number) => void;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

export class Listener {
  readonly #options: ListenerOptions;
  readonly #watch: CertificateWatch | undefined;
  #app: UwsApp | undefined;
  readonly #oldApps: UwsApp[] = [];
  #socket: UwsListenSocket | undefined;
  /** Of an old application, about to be closed. */
  #oldSocket: UwsListenSocket | undefined;
  #address: Address = { host: '', port: 0 };
  #isStopped = false;

  constructor(options: ListenerOptions) {
    const { certificate } = options;
    this.#options = options;
    this.#watch =
      certificate && new CertificateWatch(certificate, () => this.#changeCertificate(certificate));
  }

  get isSecure(): boolean {
    return this.#watch !== undefined;
  }

  get address(): Address {
    return this.#address;
  }

  /**
   * @param port 0 for a free one.
   * @returns the port listened on.
   * @throws ConfigError when the certificate cannot be used, Error when the address cannot.
   */
  async listen(host: string, port: number): Promise<number> {
    const { uws, certificate } = this.#options;
    if (certificate === undefined) {
      const app = this.#serve(uws.App());
      this.#app = app;
      this.#socket = listenOn(app, host, port, LISTEN_EXCLUSIVE);
    } else {
      await this.#watch?.start();
      const app = await this.#secureApp(certificate);
      this.#app = app;
      // A port shared with another process would get half of its connections, so it has to be ours alone first.
      const probe = listenOn(app, host, port, LISTEN_EXCLUSIVE);
      const ownPort = uws.us_socket_local_port(probe);
      uws.us_listen_socket_close(probe);
      this.#socket = listenOn(app, host, ownPort, LISTEN_SHARED);
    }
    this.#address = { host, port: uws.us_socket_local_port(this.#socket) };
    return this.#address.port;
  }

  /** Connections that are open stay. Safe to call again. */
  stopAccepting(): void {
    this.#isStopped = true;
    this.#watch?.stop();
    this.#closeOldSocket();
    if (this.#socket !== undefined) this.#options.uws.us_listen_socket_close(this.#socket);
    this.#socket = undefined;
  }

  /** Closes all connections. */
  close(): void {
    this.stopAccepting();
    for (const app of this.#oldApps) app.close();
    this.#app?.close();
  }

  #serve(app: UwsApp): UwsApp {
    const { onRequest, onConnection } = this.#options;
    return app.filter(onConnection).any('/*', onRequest);
  }

  async #secureApp(files: CertificateFiles): Promise<UwsApp> {
    const { uws, logger } = this.#options;
    const { subject, validTo } = await checkCertificate(files);
    const facts = { subject, validTo: validTo.toISOString() };
    if (validTo.getTime() < Date.now()) logger.warn(facts, 'the certificate has expired');
    else logger.info(facts, 'certificate');
    try {
      const keys = { cert_file_name: files.certPath, key_file_name: files.keyPath };
      return this.#serve(uws.SSLApp(keys));
    } catch (cause) {
      throw new ConfigError('RS_CERT_PATH, RS_CERT_KEY_PATH: the TLS library refuses them', {
        cause,
        hint: 'It is strict about the encoding of certificates; make them anew with another tool.',
      });
    }
  }

  /** Whatever goes wrong, the listener stays as it is. */
  async #changeCertificate(files: CertificateFiles): Promise<void> {
    try {
      const app = await this.#secureApp(files);
      if (!this.#isStopped) this.#takeOver(app);
    } catch (err) {
      const text = 'the certificate changed and cannot be used, the old one stays';
      this.#options.logger.error({ err }, text);
    }
  }

  /** @throws Error when the new application cannot listen; nothing has changed then. */
  #takeOver(app: UwsApp): void {
    const { host, port } = this.#address;
    const socket = listenOn(app, host, port, LISTEN_SHARED);
    this.#closeOldSocket();
    this.#oldSocket = this.#socket;
    this.#socket = socket;
    if (this.#app !== undefined) this.#oldApps.push(this.#app);
    this.#app = app;
    // Right behind the phase in which connections are accepted, so that as few as possible wait in vain.
    setImmediate(() => this.#closeOldSocket());
    if (this.#oldApps.length > MAX_OLD_APPS) this.#oldApps.shift()?.close();
  }

  #closeOldSocket(): void {
    if (this.#oldSocket !== undefined) this.#options.uws.us_listen_socket_close(this.#oldSocket);
    this.#oldSocket = undefined;
  }
}

/** @throws Error when the address cannot be used. */
function listenOn(app: UwsApp, host: string, port: number, options: number): UwsListenSocket {
  const outcome: { socket: UwsListenSocket | false } = { socket: false };
  // The library calls back before it returns.
  app.listen(host, port, options, (socket) => {
    outcome.socket = socket;
  });
  if (outcome.socket === false) throw new Error(`Cannot listen on ${host}:${port}`);
  return outcome.socket;
}

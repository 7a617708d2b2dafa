// An authority run by the openssl program: RSA and ECDSA certificates with any names, intermediates and revocation lists.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface IssueOptions {
  /** As openssl writes it: `/C=DE/O=Shop/CN=client`. */
  readonly subject?: string;
  /** As openssl writes them: `DNS:a.test,URI:spiffe://…`. */
  readonly names?: string;
  readonly key?: 'ec' | 'rsa';
  /** For an authority under this one. */
  readonly authority?: boolean;
}

export interface Issued {
  readonly keyPem: string;
  readonly chainPem: string;
  readonly serial: string;
}

const KEY = { ec: ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'], rsa: ['rsa:2048'] } as const;

export class OpensslAuthority {
  readonly rootPem: string;
  readonly #dir: string;
  #serial = 1;
  readonly #revoked: string[] = [];

  constructor(name: string) {
    this.#dir = mkdtempSync(join(tmpdir(), 'weft-openssl-'));
    this.#write(
      'config',
      '[req]\ndistinguished_name=dn\n[dn]\n[ca]\ndefault_ca=own\n[own]\ndatabase=index\ndefault_md=sha256\n',
    );
    const root = ['-x509', '-nodes', '-days', '30', '-subj', `/CN=${name}`, '-keyout', 'ca.key', '-out', 'ca.crt'];
    const usage = ['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign'];
    this.#run('req', '-config', 'config', '-newkey', ...KEY.ec, ...root, ...usage);
    this.rootPem = this.#read('ca.crt');
  }

  issue({ subject = '/CN=test', names, key = 'ec', authority = false }: IssueOptions): Issued {
    const serial = (4096 + this.#serial++).toString(16).toUpperCase();
    const request = ['-utf8', '-nodes', '-subj', subject, '-keyout', 'one.key', '-out', 'one.csr'];
    this.#run('req', '-config', 'config', '-new', '-newkey', ...KEY[key], ...request);
    this.#write(
      'extensions',
      `${authority ? 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n' : 'basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth,clientAuth\n'}${names ? `subjectAltName=${names}\n` : ''}`,
    );
    const by = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-set_serial', `0x${serial}`, '-days', '20'];
    this.#run('x509', '-req', '-in', 'one.csr', ...by, '-extfile', 'extensions', '-out', 'one.crt');
    return { keyPem: this.#read('one.key'), chainPem: this.#read('one.crt'), serial };
  }

  revoke({ serial }: Issued): void {
    this.#revoked.push(`R\t491231235959Z\t250101000000Z\t${serial}\tunknown\t/CN=test\n`);
  }

  /** The list as it is now. */
  listPem(): string {
    this.#write('index', this.#revoked.join(''));
    this.#run(
      'ca',
      '-config',
      'config',
      '-gencrl',
      '-keyfile',
      'ca.key',
      '-cert',
      'ca.crt',
      '-crldays',
      '9',
      '-out',
      'crl',
    );
    return this.#read('crl');
  }

  close(): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }

  #run(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.#dir, stdio: 'pipe' });
  }

  #read(name: string): string {
    return readFileSync(join(this.#dir, name), 'utf8');
  }

  #write(name: string, text: string): void {
    writeFileSync(join(this.#dir, name), text);
  }
}

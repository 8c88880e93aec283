import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Logger } from 'pino'

export type TlsFiles = { certFile: string; keyFile: string; clientCaFile?: string | undefined }

/** PEM contents; with `clientCa`, clients must show a certificate signed by it. */
export type TlsMaterial = { cert: Buffer; key: Buffer; clientCa: Buffer | undefined }

/**
 * Reads the files of the TLS settings, and whether they can be used: a CA that is none would let nobody in. A certificate
 * that is out of date is told in the log. @throws Error that names the setting
 */
export function readTls({ certFile, keyFile, clientCaFile }: TlsFiles, log: Logger): TlsMaterial {
  const certificateIn = (bytes: Buffer) => new X509Certificate(bytes)
  const [cert, certificate] = readPem('LONGPOLE_TLS_CERT', certFile, certificateIn)
  const [key, privateKey] = readPem<KeyObject>('LONGPOLE_TLS_KEY', keyFile, createPrivateKey)
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new Error(`LONGPOLE_TLS_KEY=${keyFile}: not the key of LONGPOLE_TLS_CERT=${certFile}`)
  }
  const { validFrom, validTo } = certificate
  const nowMs = Date.now()
  if (nowMs < Date.parse(validFrom) || nowMs > Date.parse(validTo)) {
    log.warn({ certFile, validFrom, validTo }, 'LONGPOLE_TLS_CERT is out of date: clients will refuse it')
  }
  const clientCa =
    clientCaFile === undefined ? undefined : readPem('LONGPOLE_TLS_CLIENT_CA', clientCaFile, certificateIn)[0]
  return { cert, key, clientCa }
}

function readPem<T>(setting: string, file: string, parse: (bytes: Buffer) => T): [bytes: Buffer, parsed: T] {
  try {
    const bytes = readFileSync(file)
    return [bytes, parse(bytes)]
  } catch (error) {
    // The cause is not handed on: its message would be said twice.
    throw new Error(`${setting}=${file}: ${(error as Error).message}`)
  }
}

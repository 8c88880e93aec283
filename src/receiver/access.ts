import { createHash, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'

export type TlsFiles = { certFile: string; keyFile: string; clientCaFile?: string | undefined }

/** PEM contents; with `clientCa`, clients must show a certificate signed by it. */
export type TlsMaterial = { cert: Buffer; key: Buffer; clientCa: Buffer | undefined }

export function readTls(files: TlsFiles): TlsMaterial {
  return {
    cert: readFileSync(files.certFile),
    key: readFileSync(files.keyFile),
    clientCa: files.clientCaFile === undefined ? undefined : readFileSync(files.clientCaFile),
  }
}

/** Checks an `authorization` header. How long it takes says nothing about the token. */
export function tokenCheck(token: string | undefined): (authorization: string | undefined) => boolean {
  if (token === undefined) return () => true
  const digest = (text: string) => createHash('sha256').update(text).digest()
  const expected = digest(token)
  return (authorization) => {
    const given = /^Bearer +(.*)$/i.exec(authorization ?? '')?.[1]
    return given !== undefined && timingSafeEqual(digest(given.trim()), expected)
  }
}

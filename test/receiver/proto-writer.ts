/** Writes protobuf by hand, wrong ones too. */
export function varint(value: number | bigint): Uint8Array {
  const bytes: number[] = []
  let rest = BigInt(value)
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  bytes.push(Number(rest))
  return Uint8Array.from(bytes)
}

export function join(...parts: Uint8Array[]): Uint8Array {
  return Buffer.concat(parts)
}

/** A length-delimited field. */
export function field(number: number, bytes: Uint8Array): Uint8Array {
  return join(varint((number << 3) | 2), varint(bytes.length), bytes)
}

export function message(number: number, ...fields: Uint8Array[]): Uint8Array {
  return field(number, join(...fields))
}

export function string(number: number, text: string): Uint8Array {
  return field(number, Buffer.from(text))
}

// A js-libp2p peer, written from cpchain-storage/docs/protocol.md: joins the DHT, finds an upload's manifest, checks who
// signed it, fetches the object's shards from those who hold them, and checks every byte.
//
//   node peer.mjs PROTO_FOLDER HOSTS ADDRESS < the line that the `publish` example printed
import assert from 'node:assert/strict'
import { createPublicKey, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { noise } from '@libp2p/noise'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { blake3 } from '@noble/hashes/blake3.js'
import { createLibp2p } from 'libp2p'
import protobuf from 'protobufjs'

// The libraries ask for this one function of Node 22; all else of theirs works with Node 20.
Promise.withResolvers ??= function () {
  let resolve, reject
  const promise = new this((...both) => { [resolve, reject] = both })
  return { promise, resolve, reject }
}

const [protos, hosts, address] = process.argv.slice(2)
const published = JSON.parse(readFileSync(0, 'utf8').split('\n')[0])

// --- Messages, hashes and signatures

const schema = protobuf.loadSync([join(protos, 'network.proto'), join(protos, 'storage.proto')])
const network = name => schema.lookupType(`cpchain.storage.network.v1.${name}`)
const storage = name => schema.lookupType(`cpchain.storage.v1.${name}`)

const hex = bytes => Buffer.from(bytes).toString('hex')
const integer = (value, bytes) => {
  const out = Buffer.alloc(bytes)
  bytes === 4 ? out.writeUInt32LE(value) : out.writeBigUInt64LE(BigInt(value))
  return out
}
const hash = bytes => Buffer.from(blake3(bytes))
const H = (domain, ...parts) =>
  Buffer.from(blake3(Buffer.concat(parts.flatMap(part => [integer(part.length, 8), part])), { context: Buffer.from(domain) }))

function isSigned (domain, content, signature, owner) {
  const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), owner])
  return verify(null, H(domain, content), createPublicKey({ key: der, format: 'der', type: 'spki' }), signature)
}

// --- Records

const digestOf = (kind, owner, name) => H('cpchain/storage/record-key/v1', integer(kind, 4), owner, name)
const keyOf = digest => Buffer.concat([Buffer.from('/cpchain/'), digest])

function readRecord (key, value) {
  assert(value.length <= 8192, 'a record has at most 8 KiB')
  const { content, signature } = network('SignedBytes').decode(value)
  const record = network('RecordContent').decode(content)
  assert(isSigned('cpchain/storage/record/v1', content, signature, record.owner), 'the owner signed the record')
  assert.deepEqual(Buffer.from(key), keyOf(digestOf(record.kind, record.owner, record.name)), 'it lies under its key')
  assert(Number(record.expiresMs) > Date.now(), 'it has not expired')
  return record
}

const validators = { cpchain: async (key, value) => { readRecord(key, value) } }
const selectors = {
  cpchain: (key, values) => {
    const rank = value => [BigInt(String(readRecord(key, value).sequence)), hex(hash(value))]
    const isBefore = ([a, b], [c, d]) => a < c || (a === c && b < d)
    return values.reduce((best, value, index) => isBefore(rank(values[best]), rank(value)) ? index : best, 0)
  }
}

const peer = await createLibp2p({
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: {
    identify: identify(),
    ping: ping(),
    dht: kadDHT({ protocol: '/cpchain/kad/1', clientMode: true, peerInfoMapper: passthroughMapper, validators, selectors })
  }
})
const dht = peer.services.dht

async function findRecord (kind, owner, name) {
  const key = keyOf(digestOf(kind, owner, name))
  for await (const event of dht.get(key, { signal: AbortSignal.timeout(20_000) })) {
    if (event.name === 'VALUE') return readRecord(key, event.value)
  }
  throw new Error(`no record of kind ${kind}`)
}

// --- The chunk protocol

/** Sends requests over one stream and returns the answers, in the same order. */
async function ask (id, requests) {
  const stream = await peer.dialProtocol(id, '/cpchain/chunk/1', { signal: AbortSignal.timeout(10_000) })
  for (const request of requests) {
    const frame = request instanceof Uint8Array ? request : network('ChunkRequest').encode(request).finish()
    if (!stream.send(Buffer.concat([integer(frame.length, 4), frame]))) await stream.onDrain()
  }
  let buffer = Buffer.alloc(0)
  const answers = []
  for await (const part of stream) {
    buffer = Buffer.concat([buffer, part.subarray()])
    while (buffer.length >= 4 && buffer.length >= 4 + buffer.readUInt32LE()) {
      const end = 4 + buffer.readUInt32LE()
      answers.push(network('ChunkResponse').decode(buffer.subarray(4, end)))
      buffer = buffer.subarray(end)
    }
    if (answers.length === requests.length) break
  }
  await stream.close()
  return answers
}

// --- The trial

await peer.dial(multiaddr(address))
const known = new Set()
for (let round = 0; known.size < hosts; round++) {
  assert(round < 100, `only ${known.size} of ${hosts} hosts are found`)
  const target = hash(integer(round, 4))
  for await (const event of dht.getClosestPeers(target, { signal: AbortSignal.timeout(20_000) })) {
    if (event.name === 'FINAL_PEER') known.add(event.peer.id.toString())
  }
  if (known.size < hosts) await new Promise(resolve => setTimeout(resolve, 100))
}
console.log(`joined: ${known.size} hosts found through one`)

const owner = Buffer.from(published.owner, 'hex')
const stream = H('cpchain/storage/stream/v1', owner, Buffer.from(published.stream))
const headName = H('cpchain/storage/manifest-name/v1', stream, integer(published.upload, 8))
const head = storage('ManifestHead').decode((await findRecord(1, owner, headName)).body)
assert.equal(hex(head.hash), published.manifest, 'the manifest that was published')
const signed = storage('Signed').decode(head.inline)
assert(isSigned('cpchain/storage/manifest/v1', signed.body, signed.signature, owner), 'the owner signed the manifest')
const manifest = storage('ManifestBody').decode(signed.body)
assert.equal(manifest.streamName, published.stream)
assert.equal(manifest.blocks.length, published.blocks)
assert.equal(hex(manifest.object.root), published.object)
console.log(`manifest: ${manifest.blocks.length} blocks of stream ${manifest.streamName}, signed by its owner`)

const { root, length, dataShards, chunks } = manifest.object
const holdersBody = (await findRecord(2, owner, Buffer.concat([root, integer(0, 4)]))).body
const holders = network('HoldersBody').decode(holdersBody)
const parts = []
for (const [index, chunk] of chunks.entries()) {
  const byHolder = new Map()
  for (let shard = 0; shard < dataShards; shard++) {
    const holder = holders.chunks[index][shard]
    assert.notEqual(holder, 255, 'every data shard has a holder')
    byHolder.set(holder, [...(byHolder.get(holder) ?? []), shard])
  }
  const shards = []
  for (const [holder, wanted] of byHolder) {
    const id = peerIdFromPublicKey(publicKeyFromRaw(holders.nodes.subarray(32 * holder, 32 * holder + 32)))
    const ids = wanted.map(shard => chunk.shards.subarray(32 * shard, 32 * shard + 32))
    const answers = await ask(id, ids.map(id => ({ get: { id } })))
    answers.forEach((answer, at) => {
      assert.deepEqual(hash(answer.get.shard), Buffer.from(ids[at]), 'a shard has the hash that names it')
      shards[wanted[at]] = answer.get.shard
    })
  }
  const left = Number(length) - parts.reduce((sum, part) => sum + part.length, 0)
  const bytes = Buffer.concat(shards).subarray(0, Math.min(left, 1 << 20))
  assert.deepEqual(hash(bytes), Buffer.from(chunk.root), 'the data shards make the chunk')
  parts.push(bytes)
}
const object = Buffer.concat(parts)
assert.equal(hex(hash(object)), published.object, 'the chunks make the object')
for (const block of manifest.blocks) {
  const bytes = object.subarray(Number(block.offset), Number(block.offset) + block.length)
  assert.deepEqual(H('cpchain/crypto/sealed-block/v1', bytes), Buffer.from(block.hash), 'a block is what the manifest names')
}
console.log(`object: ${object.length} bytes from ${chunks.length} chunk(s), every shard, chunk and block verified`)

// --- What a host must refuse

const host = peerIdFromPublicKey(publicKeyFromRaw(holders.nodes.subarray(0, 32)))
const [absent, malformed, again] = await ask(host, [
  { get: { id: Buffer.alloc(32) } },
  Buffer.from([0xff, 0xff, 0xff]),
  { has: { ids: [Buffer.alloc(32)] } }
])
assert.equal(absent.get.shard?.length ?? 0, 0, 'an unknown shard is not there')
assert.equal(malformed.refused.code, 1, 'rubbish is refused as malformed')
assert.deepEqual(again.has.held, [false], 'and the stream goes on')
console.log('refusals: as documented')
await peer.stop()
process.exit(0)

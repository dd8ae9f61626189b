// Compares did:key identifiers and documents, both ways, with two independent implementations:
// @digitalbazaar/did-method-key (whole documents) and key-did-resolver (keys).
// Usage: node compare.mjs COMMAND [ARGUMENT...] where COMMAND answers lines as cpchain-crypto/examples/did.rs does.
import assert from 'node:assert/strict';
import {spawnSync} from 'node:child_process';
import {createPublicKey, createPrivateKey, randomBytes} from 'node:crypto';
import * as didKey from '@digitalbazaar/did-method-key';
import * as ed25519Multikey from '@digitalbazaar/ed25519-multikey';
import {Ed25519VerificationKey2020} from '@digitalbazaar/ed25519-verification-key-2020';
import {X25519KeyAgreementKey2020} from '@digitalbazaar/x25519-key-agreement-key-2020';
import {Resolver} from 'did-resolver';
import {getResolver} from 'key-did-resolver';

const KEYS = 200;
const [command, ...args] = process.argv.slice(2);

/** Asks our side many lines at once. */
function ask(lines) {
  const {stdout, status, error} = spawnSync(command, args, {
    input: lines.map(line => `${line}\n`).join(''), encoding: 'utf8', maxBuffer: 1 << 28,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  if(error) {
    throw error;
  }
  assert.equal(status, 0, 'the command failed');
  const answers = stdout.trimEnd().split('\n').map(line => JSON.parse(line));
  assert.equal(answers.length, lines.length, 'one answer a line');
  return answers;
}

const suites2020 = didKey.driver();
suites2020.use({multibaseMultikeyHeader: 'z6Mk', fromMultibase: Ed25519VerificationKey2020.from});
const multikey = didKey.driver();
multikey.use({multibaseMultikeyHeader: 'z6Mk', fromMultibase: ed25519Multikey.from});
const resolver = new Resolver(getResolver());

/** The raw Ed25519 public key of a raw secret key, by Node's own OpenSSL. */
function publicKeyOf(seed) {
  const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  const key = createPublicKey(createPrivateKey({key: pkcs8, format: 'der', type: 'pkcs8'}));
  return key.export({format: 'der', type: 'spki'}).subarray(-32).toString('hex');
}

const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
/** 32 bytes of base58 text as hex. */
function fromBase58(text) {
  const value = [...text].reduce((sum, c) => sum * 58n + BigInt(BASE58.indexOf(c)), 0n);
  return value.toString(16).padStart(64, '0');
}

/** What our document and theirs of one identifier must have in common. */
async function compare(ours, publicKey) {
  assert.equal(ours.error, undefined);
  assert.equal(ours.publicKey, publicKey, 'the same public key');
  // Their whole document in the 2020 form is ours.
  assert.deepEqual(await suites2020.get({did: ours.did}), ours.suites2020);
  // In the Multikey form their driver writes no keyAgreement; all the rest is ours.
  const {keyAgreement, ...rest} = ours.multikey;
  assert.deepEqual(await multikey.get({did: ours.did}), rest);
  assert.equal(keyAgreement[0].publicKeyMultibase, ours.suites2020.keyAgreement[0].publicKeyMultibase);
  // A second implementation finds the same two keys, and names them alike.
  const {didDocument, didResolutionMetadata} = await resolver.resolve(ours.did);
  assert.equal(didResolutionMetadata.error, undefined);
  assert.equal(didDocument.id, ours.did);
  assert.equal(fromBase58(didDocument.verificationMethod[0].publicKeyBase58), publicKey);
  assert.equal(didDocument.verificationMethod[0].id, ours.suites2020.verificationMethod[0].id);
  assert.equal(didDocument.keyAgreement[0].id, ours.suites2020.keyAgreement[0].id);
}

// Ours to theirs: identifiers that we make of random secret keys.
const seeds = Array.from({length: KEYS}, () => randomBytes(32));
const made = ask(seeds.map(seed => `seed ${seed.toString('hex')}`));
for(const [i, seed] of seeds.entries()) {
  await compare(made[i], publicKeyOf(seed));
}

// Theirs to ours: key pairs and documents that they make, in their own order of members.
const pairs = [];
for(let i = 0; i < KEYS; i++) {
  const pair = await Ed25519VerificationKey2020.generate();
  const {didDocument} = await suites2020.fromKeyPair({verificationKeyPair: pair});
  pairs.push({did: didDocument.id, didDocument, publicKey: Buffer.from(pair._publicKeyBuffer).toString('hex')});
}
const resolved = ask(pairs.map(({did}) => `did ${did}`));
const read = ask(pairs.map(({didDocument}) => `document ${JSON.stringify(didDocument)}`));
for(const [i, {did, didDocument, publicKey}] of pairs.entries()) {
  assert.equal(resolved[i].did, did);
  assert.deepEqual(resolved[i].suites2020, didDocument);
  await compare(resolved[i], publicKey);
  assert.equal(read[i].did, did, 'we accept the document that they made');
}

// A document with the agreement key of another is refused, and so is what is no identifier.
const mixed = pairs.slice(1).map(({didDocument}, i) =>
  `document ${JSON.stringify({...didDocument, keyAgreement: pairs[i].didDocument.keyAgreement})}`);
for(const answer of ask([...mixed, 'did did:key:z6LSeu9HkTHSfLLeUs2nnzUSNedgDUevfNQgQjQC23ZCit6F', 'did did:web:a', ''])) {
  assert.ok(answer.error, 'refused');
}

console.log(`did:key: ${2 * KEYS} keys and documents agree both ways, ${mixed.length} mixed documents are refused`);

// TLS from files, and words for what goes wrong with it.

import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { type ConnectionOptions, createSecureContext } from "node:tls";
import { ConfigError } from "../config";
import { readFile } from "./values";

export interface TlsFiles {
  cafile?: string;
  cert?: string;
  key?: string;
  insecure?: true;
}

/** @throws ConfigError when a file can't be read, or holds something else. */
export function tlsOptions({ cafile, cert, key, insecure }: TlsFiles, host: string): ConnectionOptions {
  const ca = cafile === undefined ? undefined : readFile(cafile, "--cafile");
  if (ca !== undefined) checkCertificate(ca, "--cafile", cafile);
  const own = cert === undefined ? undefined : readFile(cert, "--cert");
  if (own !== undefined) checkCertificate(own, "--cert", cert);
  const ownKey = key === undefined ? undefined : readFile(key, "--key");
  return {
    secureContext: contextOf(ca, own, ownKey),
    servername: isIP(host) === 0 ? host : "", // an address is no name [RFC 6066 section 3]
    // The chain is still verified; only for whom it was made is not asked.
    ...(insecure && { checkServerIdentity: () => undefined }),
  };
}

/** Node.js takes a file without any certificate for an empty list. */
function checkCertificate(pem: Buffer, option: string, path: string | undefined): void {
  try {
    new X509Certificate(pem);
  } catch {
    throw new ConfigError(`${option} ${path}: holds no certificate (PEM)`);
  }
}

function contextOf(
  ca: Buffer | undefined,
  cert: Buffer | undefined,
  key: Buffer | undefined,
): ConnectionOptions["secureContext"] {
  try {
    return createSecureContext({ ca, cert, key });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ERR_OSSL_X509_KEY_VALUES_MISMATCH") throw new ConfigError("--key is not the key of --cert");
    if (code === "ERR_MISSING_PASSPHRASE" || /BAD_DECRYPT|INTERRUPTED|BAD_PASSWORD/.test(code ?? "")) {
      throw new ConfigError("--key is encrypted: give one that is not");
    }
    throw new ConfigError("--key: holds no private key (PEM)");
  }
}

const untrusted = "it was issued by an authority that is not trusted; --cafile names one";

const words: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not valid yet; or the clock here is wrong",
  CERT_REVOKED: "its certificate is revoked",
  CERT_REJECTED: "its certificate is not one for servers",
  INVALID_PURPOSE: "its certificate is not one for servers",
  CERT_SIGNATURE_FAILURE: "its certificate is signed by somebody else than it says",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed; if it is the right one, name it with --cafile",
  SELF_SIGNED_CERT_IN_CHAIN: `its certificate is not trusted: ${untrusted}`,
  UNABLE_TO_GET_ISSUER_CERT: `its certificate is not trusted: ${untrusted}`,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: `its certificate is not trusted: ${untrusted}`,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: `its certificate is not trusted: ${untrusted}`,
};

/** What went wrong with TLS in words, or undefined when it was something else. */
export function tlsWords(error: NodeJS.ErrnoException & { cert?: { subjectaltname?: string } }): string | undefined {
  const { code = "", message, cert } = error;
  if (code === "ECONNRESET" && message.includes("before secure TLS")) {
    return "it closed the connection before TLS began; does it speak TLS there?";
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    const names = cert?.subjectaltname ?? "";
    return `its certificate is for another name${names === "" ? "" : ` (${names})`}`;
  }
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER" || code === "ERR_SSL_PACKET_LENGTH_TOO_LONG")
    return "it does not speak TLS there";
  if (/ALERT_(CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE)/.test(code)) return "it wants a certificate: --cert and --key";
  if (/ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_UNKNOWN|CERTIFICATE_EXPIRED|ACCESS_DENIED)/.test(code))
    return "it does not accept our certificate";
  if (/^(ERR_SSL_|ERR_TLS_|ERR_OSSL_|EPROTO$)/.test(code)) return `TLS failed: ${message.replace(/\s+/g, " ")}`;
  return words[code];
}

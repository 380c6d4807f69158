// A certificate authority for one run of the tests, and what it signs.

import { generate } from "selfsigned";

export interface Certificate {
  /** PEM. */
  key: string;
  cert: string;
}

const DAY = 86_400_000;

export interface CertificateOptions {
  /** Names and addresses that it is good for. */
  names?: readonly string[];
  addresses?: readonly string[];
  /** Who signs; itself if nobody. */
  by?: Certificate;
  isAuthority?: boolean;
  isExpired?: boolean;
}

export async function makeCertificate(name: string, options: CertificateOptions = {}): Promise<Certificate> {
  const { names = [], addresses = [], by, isAuthority = false, isExpired = false } = options;
  const altNames = [
    ...names.map((value) => ({ type: 2 as const, value })),
    ...addresses.map((ip) => ({ type: 7 as const, ip })),
  ];
  const { private: key, cert } = await generate([{ name: "commonName", value: name }], {
    keyType: "ec",
    algorithm: "sha256",
    notBeforeDate: new Date(Date.now() - 2 * DAY),
    notAfterDate: new Date(Date.now() + (isExpired ? -DAY : DAY)),
    ...(by !== undefined && { ca: by }),
    extensions: isAuthority
      ? [
          { name: "basicConstraints", cA: true, critical: true },
          { name: "keyUsage", keyCertSign: true, cRLSign: true, critical: true },
        ]
      : [
          { name: "basicConstraints", cA: false, critical: true },
          { name: "keyUsage", digitalSignature: true, critical: true },
          { name: "extKeyUsage", serverAuth: true, clientAuth: true },
          ...(altNames.length > 0 ? [{ name: "subjectAltName" as const, altNames }] : []),
        ],
  });
  return { key, cert };
}

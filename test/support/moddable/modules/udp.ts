// Handed on to DNS-SD, and not used otherwise.

export default class UDP {
  close(): void {}
}

// Names of the broker's events, by number, for traces and reports.

export const eventNames: readonly string[] = [
  "",
  "Opened",
  "Connected",
  "ConnectRefused",
  "Disconnected",
  "Abandoned",
  "SessionEnded",
  "PublishRefused",
  "SubscribeRefused",
  "Dropped",
  "PublishDropped",
  "RetainRefused",
  "WillPublished",
  "WillDropped",
  "Held",
  "LimitReached",
];

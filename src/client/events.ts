/** Server-sent events from a stream of bytes. */

/** One event. */
export interface ServerEvent {
  /** To go on after it. */
  readonly id: string | undefined;
  readonly type: string;
  readonly data: unknown;
}

/** Reads events until the stream ends. Comments are left out. */
export async function* readEvents(stream: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder();
  let text = '';
  let id: string | undefined;
  for await (const chunk of stream as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n');
      text = text.slice(end + 2);
      let type = 'message';
      const data: string[] = [];
      for (const line of lines) {
        const colon = line.indexOf(':');
        const [name, value] = [line.slice(0, colon), line.slice(colon + 1).trimStart()];
        if (name === 'id') id = value;
        else if (name === 'event') type = value;
        else if (name === 'data') data.push(value);
      }
      if (data.length > 0) yield { id, type, data: JSON.parse(data.join('\n')) };
    }
  }
}

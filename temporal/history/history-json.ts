import { createRequire } from 'node:module';
import type { temporal } from '@temporalio/proto';

export type History = temporal.api.history.v1.IHistory;
export type HistoryEvent = temporal.api.history.v1.IHistoryEvent;

/** What the JSON extension of protobufjs offers, as far as it is used here. */
interface ProtoJson {
  fromJson(type: unknown, json: unknown, options: { ignoreUnknownFields: boolean }): History;
  toJson(type: unknown, message: unknown): unknown;
}

/**
 * The SDK's own converters work only where npm installed a single copy of protobufjs for all of its packages, because they compare
 * classes across packages. So the extension is taken from the very copy that made the message types.
 */
function historyJson() {
  const here = createRequire(import.meta.url);
  const fromProto = createRequire(here.resolve('@temporalio/proto'));
  const { patchProtobufRoot } = fromProto('@temporalio/proto/lib/patch-protobuf-root') as {
    patchProtobufRoot(root: unknown): { lookupType(name: string): unknown };
  };
  const type = patchProtobufRoot(fromProto('@temporalio/proto')).lookupType('temporal.api.history.v1.History') as {
    fromObject(history: History): unknown;
  };
  return { type, json: fromProto('protobufjs/ext/protojson') as ProtoJson };
}

/** A history from its proto3 JSON; fields of newer servers are left out. Throws when it is something else. */
export function historyFromJson(value: unknown): History {
  const { type, json } = historyJson();
  return json.fromJson(type, value, { ignoreUnknownFields: true });
}

/** The proto3 JSON of a history, with payloads as they are. */
export function historyToJson(history: History): unknown {
  const { type, json } = historyJson();
  return json.toJson(type, type.fromObject(history));
}

/** The JSON in the marker that holds a local activity's result, as far as it is read here. */
export interface LocalMarker {
  seq: number;
  attempt: number;
  activity_type: string;
  complete_time: { seconds: number; nanos: number } | null;
}

/** The marker of a local activity; undefined for any other event. The native part of the SDK writes it, and no codec touches it. */
export function localMarkerOf({ markerRecordedEventAttributes: marker }: HistoryEvent): LocalMarker | undefined {
  const data = marker?.markerName === 'core_local_activity' ? marker.details?.['data']?.payloads?.[0]?.data : undefined;
  return data ? (JSON.parse(Buffer.from(data).toString()) as LocalMarker) : undefined;
}

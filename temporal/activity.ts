/** What code that runs inside an activity needs of the SDK: the only door to it besides the worker's own. */
export { activityInfo, cancellationSignal, Context, heartbeat, log, type Info } from '@temporalio/activity';

// The JavaScript SDK v3 against the server at DECOUPLE_URL: queues, topics, functions, and time that is moved.
import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { LambdaClient, ListFunctionsCommand } from "@aws-sdk/client-lambda";
import { CreateTopicCommand, PublishCommand, SNSClient, SubscribeCommand } from "@aws-sdk/client-sns";
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { post, settings } from "./server.mjs";

const sqs = new SQSClient(settings);
const sns = new SNSClient(settings);
const lambda = new LambdaClient(settings);

beforeEach(() => post("/_decouple/reset"));
after(() => [sqs, sns, lambda].forEach((client) => client.destroy()));

async function queue(name, Attributes = {}) {
  return (await sqs.send(new CreateQueueCommand({ QueueName: name, Attributes }))).QueueUrl;
}

test("a message goes round, and its checksums are right", async () => {
  const QueueUrl = await queue("orders");
  const MessageAttributes = { kind: { DataType: "String", StringValue: "tea" } };
  await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "order 7 \u2615", MessageAttributes }));

  const asked = { QueueUrl, MessageAttributeNames: ["All"] };
  const { Messages } = await sqs.send(new ReceiveMessageCommand(asked));
  assert.equal(Messages[0].Body, "order 7 \u2615");
  assert.equal(Messages[0].MessageAttributes.kind.StringValue, "tea");

  await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: Messages[0].ReceiptHandle }));
  const names = { QueueUrl, AttributeNames: ["ApproximateNumberOfMessagesNotVisible"] };
  const { Attributes } = await sqs.send(new GetQueueAttributesCommand(names));
  assert.equal(Attributes.ApproximateNumberOfMessagesNotVisible, "0");
});

test("a batch is sent", async () => {
  const Entries = [...Array(10).keys()].map((number) => ({ Id: `${number}`, MessageBody: `order ${number}` }));

  const { Successful } = await sqs.send(new SendMessageBatchCommand({ QueueUrl: await queue("orders"), Entries }));

  assert.equal(Successful.length, 10);
});

test("an error has its name and its legacy code", async () => {
  const sending = sqs.send(new SendMessageCommand({ QueueUrl: `${settings.endpoint}/000000000000/none`, MessageBody: "a" }));

  await assert.rejects(sending, (error) => {
    assert.equal(error.name, "QueueDoesNotExist");
    assert.equal(error.$metadata.httpStatusCode, 400);
    return true;
  });
});

test("a visibility timeout ends when the clock is moved", async () => {
  const QueueUrl = await queue("orders", { VisibilityTimeout: "600" });
  await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "order 7" }));
  await sqs.send(new ReceiveMessageCommand({ QueueUrl }));
  const { Messages: none } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }));
  assert.equal(none, undefined);

  await post("/_decouple/clock", { advance: 600 });

  const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl }));
  assert.equal(Messages[0].Body, "order 7");
});

test("a topic delivers to a queue", async () => {
  const QueueUrl = await queue("news");
  const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: "news" }));
  const Endpoint = "arn:aws:sqs:us-east-1:000000000000:news";
  await sns.send(new SubscribeCommand({ TopicArn, Protocol: "sqs", Endpoint }));
  await sns.send(new PublishCommand({ TopicArn, Message: "rain" }));

  const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl }));

  assert.equal(JSON.parse(Messages[0].Body).Message, "rain");
});

test("functions are listed", async () => {
  assert.deepEqual((await lambda.send(new ListFunctionsCommand({}))).Functions, []);
});

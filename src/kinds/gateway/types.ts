// The spec and status of a Gateway, as they are after defaults. Used by compile.
import type { Condition } from '../../model/resource.ts';
import type { ExternalAuthSpec } from '../http-route/types.ts';

export interface GatewaySpec {
  readonly gatewayClassName: string;
  readonly listeners: readonly ListenerSpec[];
  readonly addresses?: readonly {
    readonly type: string;
    readonly value?: string;
    readonly routability?: string;
  }[];
  readonly infrastructure?: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly parametersRef?: { readonly group: string; readonly kind: string; readonly name: string };
  };
  readonly allowedListeners?: {
    readonly namespaces?: { readonly from: 'All' | 'Same' | 'Selector' | 'None'; readonly selector?: LabelSelector };
  };
  readonly defaultScope?: 'All' | 'None';
  readonly tls?: {
    readonly backend?: { readonly clientCertificateRef?: SecretRef };
    readonly frontend?: {
      readonly default: FrontendTls;
      readonly perPort?: readonly { readonly port: number; readonly tls: FrontendTls }[];
    };
  };
}

export interface FrontendTls {
  readonly validation?: {
    readonly caCertificateRefs: readonly SecretRef[];
    readonly mode: 'AllowValidOnly' | 'AllowInsecureFallback';
  };
}

export interface ListenerSpec {
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
  readonly hostname?: string;
  readonly tls?: {
    readonly mode: 'Terminate' | 'Passthrough';
    readonly certificateRefs?: readonly SecretRef[];
    readonly options?: Readonly<Record<string, string>>;
  };
  readonly filters?: {
    readonly requests?: readonly {
      readonly type: 'ExternalAuth' | 'ExtensionRef';
      readonly externalAuth?: ExternalAuthSpec;
    }[];
  };
  readonly allowedRoutes: {
    readonly kinds?: readonly { readonly group: string; readonly kind: string }[];
    readonly namespaces: { readonly from: 'All' | 'Same' | 'Selector'; readonly selector?: LabelSelector };
  };
}

export interface SecretRef {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
    readonly values?: readonly string[];
  }[];
}

export interface GatewayStatus {
  readonly attachedListenerSets?: number;
  readonly addresses?: readonly { readonly type: string; readonly value: string }[];
  readonly conditions?: readonly Condition[];
  readonly listeners?: readonly ListenerStatus[];
}

export interface ListenerStatus {
  readonly name: string;
  readonly supportedKinds?: readonly { readonly group: string; readonly kind: string }[];
  readonly attachedRoutes: number;
  readonly conditions: readonly Condition[];
}

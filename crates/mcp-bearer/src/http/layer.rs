//! [`BearerAuthLayer`]: configured once and put in front of services.
//!
//! It decides nothing about requests (`guard.rs` does), and does not change once it is made.

use ::http::Response;

use super::answer_body::AnswerBody;
use super::guard::Guard;
use super::metadata_route::MetadataService;
use super::preflight::Preflight;
use super::service::BearerAuthService;
use super::token_header::Credential;
use crate::config::{Problem, Setting};
use crate::{BearerAuthProvider, ConfigError};
use mcp_bearer_core::{AccessToken, ProtectedResourceMetadata, Rejection, Scopes};

/// Puts bearer authentication in front of a tower service.
///
/// It starts without a resource: call [`new`](Self::new), then the options, then
/// [`resource`](Self::resource), which checks them all. Only a layer with a resource has a metadata
/// document (RFC 9728) to serve, and the compiler enforces that. Its challenges name the document,
/// so serve it. A layer without a resource also guards, but its challenges do not show a client
/// where to get a token.
///
/// Cheap to clone; clones and the services they made belong together.
///
/// ```
/// use mcp_bearer::{BearerAuthLayer, BearerAuthProvider};
/// let provider = BearerAuthProvider::builder()
///     .jwks_uri("https://idp.example.com/jwks.json")
///     .issuer("https://idp.example.com/")
///     .audience("https://mcp.example.com/mcp")
///     .required_scopes(["mcp:read"])
///     .build()?;
/// let auth = BearerAuthLayer::new(provider)
///     .scopes_supported(["mcp:read", "mcp:admin"])
///     .resource_name("Example tools")
///     .resource("https://mcp.example.com/mcp")?;
/// let metadata = auth.metadata_service();
/// assert_eq!(metadata.path(), "/.well-known/oauth-protected-resource/mcp");
/// # Ok::<(), mcp_bearer::ConfigError>(())
/// ```
///
/// ```compile_fail
/// // Without a resource there is no document.
/// fn serve(provider: mcp_bearer::BearerAuthProvider) {
///     mcp_bearer::BearerAuthLayer::new(provider).metadata_service();
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct BearerAuthLayer<R = NoResource> {
    guard: Guard,
    resource: R,
}

/// The state of a layer without a resource: the options of its metadata document.
#[derive(Clone, Debug, Default)]
pub struct NoResource {
    authorization_servers: Option<Vec<String>>,
    scopes_supported: Option<Vec<String>>,
    name: Option<String>,
    documentation: Option<String>,
}

/// The state of a layer with a resource.
#[derive(Clone, Debug)]
pub struct Resource {
    metadata: ProtectedResourceMetadata,
    scopes: PublishedScopes,
}

/// Where the scopes in the metadata document come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PublishedScopes {
    /// The operator.
    Given,
    /// No one set them: the document names those that are needed.
    Needed,
}

impl BearerAuthLayer {
    /// A layer that accepts tokens that this provider verifies, if they have the required scopes of
    /// their issuer.
    pub fn new(provider: BearerAuthProvider) -> Self {
        let resource = NoResource::default();
        Self {
            guard: Guard::new(provider),
            resource,
        }
    }

    /// The issuers that clients may get a token from, by their https URLs; by default those issuers
    /// of the provider that are URLs. A provider that accepts any issuer has none, so name them
    /// here.
    pub fn authorization_servers<T: Into<String>>(
        mut self,
        servers: impl IntoIterator<Item = T>,
    ) -> Self {
        let servers = servers.into_iter().map(Into::into).collect();
        self.resource.authorization_servers = Some(servers);
        self
    }

    /// The scopes worth requesting, as tokens hold them. By default all required scopes of the
    /// provider, and with [`operations`](Self::operations) those of the rules that hide nothing.
    /// The document names what clients must request for them, if the provider has [a
    /// map](crate::config::IssuerBuilder::requested_scope_prefix).
    pub fn scopes_supported<T: Into<String>>(
        mut self,
        scopes: impl IntoIterator<Item = T>,
    ) -> Self {
        self.resource.scopes_supported = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// How CORS preflights are handled; the service gets them by default.
    ///
    /// ```
    /// use mcp_bearer::http::{Cors, Preflight};
    /// # use mcp_bearer::{BearerAuthProvider, http::InvalidOrigin};
    /// # fn doc(provider: BearerAuthProvider) -> Result<(), InvalidOrigin> {
    /// let auth = mcp_bearer::BearerAuthLayer::new(provider)
    ///     .preflight(Preflight::Answer(Cors::origins(["https://app.example.com"])?));
    /// # Ok(()) }
    /// ```
    pub fn preflight(mut self, preflight: Preflight) -> Self {
        self.guard = self.guard.with_preflight(preflight);
        self
    }

    /// Reads the token from a header other than `Authorization`: the signed assertion of a proxy in
    /// front, such as `Cf-Access-Jwt-Assertion` (Cloudflare Access), `X-Goog-IAP-JWT-Assertion`
    /// (Google IAP) or `X-Pomerium-Jwt-Assertion`. It holds only the token, and occurs once.
    /// `Authorization` is then no credential; both are removed before the service is called.
    ///
    /// Answers then carry no challenge, because a client can do nothing about such a token. Make
    /// sure that no one can bypass the proxy and reach the server with an assertion that was made
    /// for another one.
    ///
    /// ```
    /// # fn doc(provider: mcp_bearer::BearerAuthProvider) -> Result<(), mcp_bearer::ConfigError> {
    /// let auth = mcp_bearer::BearerAuthLayer::new(provider)
    ///     .token_header("Cf-Access-Jwt-Assertion")?
    ///     .resource("https://mcp.example.com/mcp")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Every problem at once: the name is not a header name, or has another meaning (`Cookie`,
    /// hop-by-hop headers); the provider accepts any issuer or any audience.
    pub fn token_header(mut self, name: &str) -> Result<Self, ConfigError> {
        let credential = Credential::assertion(name, self.guard.provider())?;
        self.guard = self.guard.with_credential(credential);
        Ok(self)
    }

    /// The resource's name, for people.
    pub fn resource_name(mut self, name: impl Into<String>) -> Self {
        self.resource.name = Some(name.into());
        self
    }

    /// The URL of the resource's documentation, for developers.
    pub fn resource_documentation(mut self, url: impl Into<String>) -> Self {
        self.resource.documentation = Some(url.into());
        self
    }

    /// Names the resource by its identifier: the URL of the MCP endpoint as clients know it (RFC
    /// 8707). Checks the options.
    ///
    /// The challenges of the resulting layer name the document's URL (`resource_metadata`, RFC 9728
    /// section 5.1), and clients that find nothing there give up: serve it with
    /// [`metadata_service`](BearerAuthLayer::metadata_service), or have a proxy in front serve it.
    ///
    /// # Errors
    /// Every problem at once: the identifier is not an absolute https URL without fragment (http on
    /// loopback is allowed), no authorization server is known or one is not such a URL, a scope is
    /// invalid.
    pub fn resource(
        self,
        resource: impl Into<String>,
    ) -> Result<BearerAuthLayer<Resource>, ConfigError> {
        let provider = self.guard.provider();
        let options = self.resource;
        let mut problems: Vec<Problem> = Vec::new();
        let published = match options.scopes_supported {
            Some(_) => PublishedScopes::Given,
            None => PublishedScopes::Needed,
        };
        let scopes = match options.scopes_supported {
            None => provider.required_scopes_to_request(),
            Some(names) => match Scopes::from_names(&names) {
                Ok(scopes) => provider.scopes_to_request(&scopes),
                Err(error) => {
                    problems.push(Problem::of(Setting::ScopesSupported, error.to_string()));
                    Scopes::default()
                }
            },
        };
        let mut builder = ProtectedResourceMetadata::builder(resource).scopes_supported(&scopes);
        builder = match options.authorization_servers {
            Some(servers) => builder.authorization_servers(servers),
            // The provider trusts them as they are. Clients cannot be sent to one that is not a
            // URL.
            None => builder
                .authorization_servers(provider.issuer_names().filter(|name| name.contains("://")))
                .insecure_allow_http(),
        };
        if let Some(name) = options.name {
            builder = builder.resource_name(name);
        }
        if let Some(url) = options.documentation {
            builder = builder.resource_documentation(url);
        }
        let metadata = builder
            .build()
            .map_err(|error| problems.extend(ConfigError::from(error).into_problems()));
        let (Ok(metadata), true) = (metadata, problems.is_empty()) else {
            return Err(ConfigError::new(problems));
        };
        let guard = self.guard.with_metadata_url(metadata.url().to_owned());
        Ok(BearerAuthLayer {
            guard,
            resource: Resource {
                metadata,
                scopes: published,
            },
        })
    }
}

impl BearerAuthLayer<Resource> {
    /// The metadata document.
    #[must_use]
    pub fn metadata(&self) -> &ProtectedResourceMetadata {
        &self.resource.metadata
    }

    /// The service that answers with the metadata document, for [`path`](MetadataService::path).
    #[must_use]
    pub fn metadata_service(&self) -> MetadataService {
        MetadataService::new(&self.resource.metadata)
    }

    /// Publishes further scopes that operations need, unless the operator has named all scopes.
    pub(super) fn publishing(mut self, scopes: &Scopes) -> Self {
        if self.resource.scopes == PublishedScopes::Needed {
            let scopes = self.provider().scopes_to_request(scopes);
            self.resource.metadata = self.resource.metadata.with_further_scopes(&scopes);
        }
        self
    }
}

impl<R> BearerAuthLayer<R> {
    /// Puts this layer in front of a service.
    pub fn layer<S>(&self, inner: S) -> BearerAuthService<S> {
        BearerAuthService::new(inner, self.guard.clone())
    }

    /// The provider.
    #[must_use]
    pub fn provider(&self) -> &BearerAuthProvider {
        self.guard.provider()
    }

    /// What handlers behind the layer find in the extensions of a request.
    #[must_use]
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// See [`Guard::require_scopes`].
    ///
    /// # Errors
    /// [`InsufficientScope`](crate::RejectionKind::InsufficientScope).
    pub fn require_scopes(&self, access: &AccessToken, scopes: &Scopes) -> Result<(), Rejection> {
        self.guard.require_scopes(access, scopes)
    }

    /// See [`Guard::challenge`].
    #[must_use]
    pub fn challenge(&self, rejection: &Rejection) -> Response<AnswerBody> {
        self.guard.challenge(rejection)
    }
}

impl<S, R> tower_layer::Layer<S> for BearerAuthLayer<R> {
    type Service = BearerAuthService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BearerAuthLayer::layer(self, inner)
    }
}
